import CLinux
import Glibc
import Linux

/// What a scrub of a device has looked at and found (`struct btrfs_scrub_progress`).
public struct ScrubProgress: Sendable, Codable, Equatable {
    /// Bytes of file content.
    public var data: UInt64 = 0
    /// Bytes of the file system's trees.
    public var metadata: UInt64 = 0
    public var readErrors: UInt64 = 0
    public var checksumErrors: UInt64 = 0
    /// Blocks of trees that weren't what they should be.
    public var verifyErrors: UInt64 = 0
    public var superblockErrors: UInt64 = 0
    /// Errors that were put right from another copy.
    public var corrected: UInt64 = 0
    /// Those that could not be: there is no intact copy.
    public var uncorrectable: UInt64 = 0

    public init() {}

    init(_ buffer: UnsafeRawPointer) {
        func field(_ index: Int) -> UInt64 { buffer.load(fromByteOffset: index * 8, as: UInt64.self) }
        (data, metadata, readErrors, checksumErrors, verifyErrors) = (field(2), field(3), field(4), field(5), field(6))
        (superblockErrors, uncorrectable, corrected) = (field(9), field(11), field(12))
    }

    public static func + (left: Self, right: Self) -> Self {
        var sum = left
        sum.data += right.data
        sum.metadata += right.metadata
        sum.readErrors += right.readErrors
        sum.checksumErrors += right.checksumErrors
        sum.verifyErrors += right.verifyErrors
        sum.superblockErrors += right.superblockErrors
        sum.corrected += right.corrected
        sum.uncorrectable += right.uncorrectable
        return sum
    }
}

extension Filesystem {
    /// Reads all that is on a device, compares it with its checksums and puts right what another copy has intact. Blocks until that is
    /// done.
    ///
    /// - Returns: what was found, and whether it was cancelled before its end.
    /// - Throws: `SystemError` with `EINPROGRESS` when one is under way.
    public func scrub(device: UInt64) throws -> (progress: ScrubProgress, isCancelled: Bool) {
        try withScrubArguments(device: device) { arguments in
            do {
                try control(directory.number, DISH_BTRFS_SCRUB, arguments, "scrub device \(device) of", path)
                return (ScrubProgress(arguments + 32), false)
            } catch let error as SystemError where error.code == ECANCELED {
                return (ScrubProgress(arguments + 32), true)
            }
        }
    }

    /// What the scrub under way has looked at; nil when there is none.
    public func scrubProgress(device: UInt64) throws -> ScrubProgress? {
        try withScrubArguments(device: device) { arguments in
            do {
                try control(directory.number, DISH_BTRFS_SCRUB_PROGRESS, arguments, "read the scrub's state of", path)
                return ScrubProgress(arguments + 32)
            } catch let error as SystemError where error.code == ENOTCONN || error.code == ENODEV {
                return nil
            }
        }
    }

    /// Ends the scrub of all devices.
    ///
    /// - Returns: whether there was one.
    public func cancelScrub() throws -> Bool {
        while dish_ioctl_int(directory.number, DISH_BTRFS_SCRUB_CANCEL, 0) != 0 {
            let code = errno
            if code == ENOTCONN { return false }
            if code != EINTR { throw SystemError("cancel the scrub of", path, code: code) }
        }
        return true
    }

    /// struct btrfs_ioctl_scrub_args: device, first and last byte, flags, progress, 1024 bytes in all.
    private func withScrubArguments<Result>(
        device: UInt64, _ body: (UnsafeMutableRawPointer) throws -> Result
    ) rethrows -> Result {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 1024, alignment: 8)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: 1024)
        buffer.storeBytes(of: device, as: UInt64.self)
        buffer.storeBytes(of: .max, toByteOffset: 16, as: UInt64.self)
        return try body(buffer)
    }
}
