import CLinux
import Glibc
public import Linux

/// An open file of a layout or archive: a regular file, whatever lies there. Nothing else is opened: that would wait, read
/// without end, or, of a device, already do something.
public struct BlobFile: ~Copyable {
    public let descriptor: OwnedFD
    public let size: UInt64

    /// - Throws: `OCIError` `.damaged` for what is no regular file; `SystemError`.
    public init(_ path: String) throws {
        let place = try OwnedFD.open(path, DISH_O_PATH)
        var status = stat()
        let number = place.number
        try retryingInterrupts("stat", path) { fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw OCIError(.damaged, "'\(path)' is no regular file") }
        self.init(try place.reopened(path, O_RDONLY), size: UInt64(max(0, status.st_size)))
    }

    private init(_ descriptor: consuming OwnedFD, size: UInt64) {
        self.descriptor = descriptor
        self.size = size
    }

    /// All of a small file.
    ///
    /// - Throws: `OCIError` `.damaged` for one that isn't small.
    public static func read(_ path: String, limit: Int = OCIJSON.limit) throws -> [UInt8] {
        let file = try BlobFile(path)
        guard file.size <= UInt64(limit) else {
            throw OCIError(.damaged, "'\(path)' has \(file.size) bytes where at most \(limit >> 20) MiB belong")
        }
        return try Files.read(file.descriptor, path)
    }
}
