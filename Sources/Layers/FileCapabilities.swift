import CLinux
import Glibc
import Linux

/// A file that gives capabilities to whoever runs it (`security.capability`, capabilities(7)).
struct FileCapability: Sendable, Codable, Equatable {
    /// Without a slash at its beginning.
    let path: String
    /// A bit for each, as in proc_pid_status(5).
    let permitted: UInt64

    /// Reads an attribute's value; nil for one that no program is kept from starting by: the kernel refuses to run a file alone that
    /// says that all of its capabilities are needed (`VFS_CAP_FLAGS_EFFECTIVE`), to a process that may not have them all.
    static func needed(by value: some Collection<UInt8>) -> UInt64? {
        let bytes = Array(value)
        // struct vfs_cap_data: magic and flags; permitted and inheritable, twice for versions 2 and 3.
        guard bytes.count >= 12, bytes[0] & 1 != 0 else { return nil }
        func word(_ start: Int) -> UInt64 { (0..<4).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) } }
        return word(4) | (bytes.count >= 20 ? word(12) << 32 : 0)
    }

    /// An attribute's value without the capabilities that aren't kept; nil when none is left.
    static func limited(_ value: some Collection<UInt8>, to kept: UInt64) -> [UInt8]? {
        var bytes = Array(value)
        guard let needed = needed(by: bytes), needed & kept != 0 else { return nil }
        for index in 0..<4 {
            bytes[4 + index] &= UInt8(truncatingIfNeeded: kept >> UInt64(8 * index))
            if bytes.count >= 20 { bytes[12 + index] &= UInt8(truncatingIfNeeded: kept >> UInt64(32 + 8 * index)) }
        }
        return bytes
    }
}

extension Tree {
    static let capabilityAttribute = Array("security.capability".utf8)

    /// The most that are looked at: a few in any image, and each start of a task looks at all.
    static let fileCapabilityLimit = 1000

    /// Its files that need capabilities.
    var fileCapabilities: [FileCapability] {
        guard nodes.attributeLists.contains(where: { $0.contains { $0.name == Self.capabilityAttribute } }) else { return [] }
        let found = nodes.indices.compactMap { index -> (index: Int, permitted: UInt64)? in
            let value = nodes.attributes(index).first { $0.name == Self.capabilityAttribute }?.value
            return value.flatMap { FileCapability.needed(by: $0) }.map { (index, $0) }
        }
        if found.isEmpty { return [] }
        let paths = TreePaths(self)
        return found.prefix(Self.fileCapabilityLimit).compactMap { file in
            String(validating: paths.path(file.index), as: UTF8.self).map { FileCapability(path: $0, permitted: file.permitted) }
        }
    }
}

extension Pool {
    /// Takes from the files of a task's root the capabilities that the task can't have: the kernel wouldn't run them at all. They run
    /// without.
    ///
    /// - Parameter kept: those that the task's processes can have, a bit for each.
    public func limitFileCapabilities(of task: TaskRecord, to kept: UInt64) throws {
        let files = try fileCapabilities(of: task.layer).filter { $0.permitted & ~kept != 0 }
        if files.isEmpty { return }
        let root = try OwnedFD.open("\(directory(ofTask: task.id))/rootfs", O_RDONLY | O_DIRECTORY)
        let name = String(decoding: Tree.capabilityAttribute, as: UTF8.self)
        for file in files {
            // What ran in the task may have put anything in its place.
            guard let opened = try? root.openFile(inRoot: file.path, following: false) else { continue }
            let path = "/proc/self/fd/\(opened.number)"
            // struct vfs_ns_cap_data has 24 bytes.
            var value = [UInt8](repeating: 0, count: 64)
            let length = value.withUnsafeMutableBytes { dish_getxattr(path, name, $0.baseAddress, UInt($0.count), 1) }
            guard length > 0, let needed = FileCapability.needed(by: value.prefix(length)), needed & ~kept != 0 else { continue }
            if let less = FileCapability.limited(value.prefix(length), to: kept) {
                try retryingInterrupts("limit the capabilities of", file.path) {
                    less.withUnsafeBytes { dish_setxattr(path, name, $0.baseAddress, UInt($0.count), 1) }
                }
            } else {
                try retryingInterrupts("take the capabilities from", file.path) { dish_removexattr(path, name, 1) }
            }
            _ = consume opened
        }
    }

    /// As they were found when the layer was published, or else in its tree.
    private func fileCapabilities(of id: LayerID) throws -> [FileCapability] {
        let path = "\(layers)/\(id.hex)/\(Self.fileCapabilities)"
        if Files.exists(path), let found = try? StateFile.read([FileCapability].self, path) { return found }
        let found = try tree(of: id).fileCapabilities
        try StateFile.write(found, path, durable: false)
        return found
    }

    /// The file beside a layer's tree.
    static let fileCapabilities = "capabilities.json"
}
