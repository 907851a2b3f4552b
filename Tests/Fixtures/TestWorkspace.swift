import Glibc
import Linux

/// A workspace that a test writes. It has the example's `//os:base`, so that building on it takes no time.
public struct TestWorkspace: Sendable {
    public let path: String

    public init() throws {
        path = try Scratch.make("workspace")
        try write("WORKSPACE", "")
        try write("os/IMAGES.yaml", try Files.readText("\(Programs.exampleWorkspace)/os/IMAGES.yaml"))
        if let lock = try Files.readTextIfPresent("\(Programs.exampleWorkspace)/IMAGES.lock") { try write("IMAGES.lock", lock) }
    }

    /// Writes a file, with the folders above it.
    public func write(_ name: String, _ text: String) throws {
        try Files.makeDirectories(Files.parent(of: "\(path)/\(name)"))
        try Files.replace("\(path)/\(name)", with: text.utf8, durable: false)
    }
}
