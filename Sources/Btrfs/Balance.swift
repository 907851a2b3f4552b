import CLinux
import Glibc
import Linux

/// What is written anew: block groups, wherever the allocator puts them now.
public struct BalanceRequest: Sendable, Equatable {
    /// Only block groups of which at most so many percent are in use; nil for all.
    public var usage: UInt64?
    /// What data becomes; nil: it stays what it is.
    public var data: Profile?
    public var metadata: Profile?
    /// Whether there may be less redundancy afterwards.
    public var allowsLessRedundancy = false

    public init() {}
}

/// How far a balance is, in block groups.
public struct BalanceProgress: Sendable, Codable, Equatable {
    public let isRunning: Bool
    /// How many will be written anew, as was estimated.
    public let expected: UInt64
    public let considered: UInt64
    public let completed: UInt64
}

/// How a balance ended.
public enum BalanceOutcome: String, Sendable, Codable {
    case finished
    /// It was cancelled or paused.
    case stopped
}

extension Filesystem {
    /// Blocks until it is done, paused or cancelled.
    ///
    /// - Throws: `SystemError` with `EINPROGRESS` when one is under way or paused.
    public func balance(_ request: BalanceRequest) throws -> BalanceOutcome {
        try withBalanceArguments { arguments in
            // Data, system and metadata.
            var flags: UInt64 = 7
            if request.allowsLessRedundancy { flags |= 1 << 3 }
            for (offset, profile) in [(16, request.data), (152, request.metadata), (288, request.metadata)] {
                var filters: UInt64 = 0
                if let usage = request.usage {
                    filters |= 1 << 1
                    arguments.storeBytes(of: usage, toByteOffset: offset + 8, as: UInt64.self)
                }
                if let profile {
                    // What has the profile already stays.
                    filters |= 1 << 8 | 1 << 9
                    let target = profile == .single ? UInt64(1) << 48 : profile.flags
                    arguments.storeBytes(of: target, toByteOffset: offset + 56, as: UInt64.self)
                }
                arguments.storeBytes(of: filters, toByteOffset: offset + 64, as: UInt64.self)
            }
            // What isn't to be converted isn't to be touched either. System block groups go with metadata.
            if request.data != nil, request.metadata == nil { flags &= ~6 }
            if request.metadata != nil, request.data == nil { flags &= ~1 }
            arguments.storeBytes(of: flags, as: UInt64.self)
            return try run(arguments)
        }
    }

    /// Goes on with one that was paused. Blocks like the balance itself.
    ///
    /// - Throws: `SystemError` with `ENOTCONN` when none is paused.
    public func resumeBalance() throws -> BalanceOutcome {
        try withBalanceArguments { arguments in
            arguments.storeBytes(of: 1 << 4, as: UInt64.self)
            return try run(arguments)
        }
    }

    private func run(_ arguments: UnsafeMutableRawPointer) throws -> BalanceOutcome {
        do {
            try control(directory.number, DISH_BTRFS_BALANCE_V2, arguments, "balance", path)
            return .finished
        } catch  where error.code == ECANCELED {
            return .stopped
        }
    }

    /// Nil when no balance is under way or paused.
    public func balanceProgress() throws -> BalanceProgress? {
        try withBalanceArguments { arguments in
            do {
                try control(directory.number, DISH_BTRFS_BALANCE_PROGRESS, arguments, "read the balance's state of", path)
            } catch let error as SystemError where error.code == ENOTCONN {
                return nil
            }
            func field(_ offset: Int) -> UInt64 { arguments.load(fromByteOffset: offset, as: UInt64.self) }
            return BalanceProgress(
                isRunning: field(8) & 1 != 0, expected: field(424), considered: field(432), completed: field(440))
        }
    }

    /// Pauses the balance once the block group at hand is done.
    ///
    /// - Returns: whether one ran.
    public func pauseBalance() throws -> Bool { try controlBalance(1, "pause the balance of") }

    /// Ends the balance, running or paused, once the block group at hand is done.
    ///
    /// - Returns: whether there was one.
    public func cancelBalance() throws -> Bool { try controlBalance(2, "cancel the balance of") }

    private func controlBalance(_ command: Int, _ operation: String) throws -> Bool {
        while dish_ioctl_int(directory.number, DISH_BTRFS_BALANCE_CTL, command) != 0 {
            let code = errno
            if code == ENOTCONN { return false }
            if code != EINTR { throw SystemError(operation, path, code: code) }
        }
        return true
    }

    /// struct btrfs_ioctl_balance_args: flags, state, three times 136 bytes of filters (data, metadata, system: a filter's usage is at 8,
    /// target at 56, flags at 64), then counts; 1024 bytes in all.
    private func withBalanceArguments<Result>(_ body: (UnsafeMutableRawPointer) throws -> Result) rethrows -> Result {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 1024, alignment: 8)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: 1024)
        return try body(buffer)
    }
}
