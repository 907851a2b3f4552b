import CLinux
import Glibc
import Linux

/// Files, and what all entries have.
extension LayerUnpacker {
    func write(_ entry: TarEntry, _ name: [UInt8], in directory: CInt, _ reader: inout TarReader) throws {
        let created = try retryingInterrupts("create", shown(name)) {
            withBytes(name) { dish_openat(directory, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) }
        }
        let file = OwnedFD(adopting: created)
        let number = file.number
        try SparseWriter.write(&reader, entry, to: number)
        try finish(entry, name, file: number)
    }

    func link(_ entry: TarEntry, _ name: [UInt8], in directory: CInt) throws {
        guard let target = try EntryPath(entry.link).dropping(rules.strip) else {
            throw OCIError(.damaged, "a hard link to '\(shown(entry.link))', which is left out")
        }
        guard !target.components.isEmpty else { throw OCIError(.hostile, "a hard link to the root") }
        guard let parent = try root.openDirectoryIfPresent(target.parent) else {
            throw OCIError(.damaged, "a hard link to '\(shown(entry.link))', which is not in the image")
        }
        guard let there = ImageRoot.status(of: target.name, in: parent.number), !ImageRoot.isDirectory(there) else {
            throw OCIError(.damaged, "a hard link to '\(shown(entry.link))', which is no file of the image")
        }
        let source = parent.number
        try retryingInterrupts("create hard link", shown(name)) {
            withBytes(target.name) { target in withBytes(name) { linkat(source, target, directory, $0, 0) } }
        }
    }

    /// Owner, mode, attributes and time of what is open.
    private func finish(_ entry: TarEntry, _ name: [UInt8], file: CInt) throws {
        try retryingInterrupts("set owner of", shown(name)) { fchown(file, entry.user, entry.group) }
        // After the owner: changing that clears the set-id bits, and capabilities.
        try retryingInterrupts("set mode of", shown(name)) { fchmod(file, mode_t(entry.mode)) }
        try setAttributes(entry, Array("/proc/self/fd/\(file)".utf8), follow: true)
        try Self.setTime(file, entry.seconds, entry.nanoseconds, shown(name))
    }

    func finish(_ entry: TarEntry, _ directory: OpenedDirectory) throws {
        try finish(entry, directory.path, file: directory.file.number)
        try setTime(of: directory, (entry.seconds, entry.nanoseconds))
    }

    /// The same for what can't be opened: links, devices, pipes.
    func finish(_ entry: TarEntry, _ name: [UInt8], in directory: CInt) throws {
        try retryingInterrupts("set owner of", shown(name)) {
            withBytes(name) { fchownat(directory, $0, entry.user, entry.group, AT_SYMLINK_NOFOLLOW) }
        }
        if entry.kind != .symbolicLink {
            try retryingInterrupts("set mode of", shown(name)) {
                withBytes(name) { fchmodat(directory, $0, mode_t(entry.mode), 0) }
            }
        }
        try setAttributes(entry, Array("/proc/self/fd/\(directory)/".utf8) + name, follow: false)
        try retryingInterrupts("set time of", shown(name)) {
            withBytes(name) { utimensat(directory, $0, Self.times(entry.seconds, entry.nanoseconds), AT_SYMLINK_NOFOLLOW) }
        }
    }

    /// Less than `BTRFS_MAX_XATTR_SIZE` for the usual size of nodes.
    private static let attributeLimit = 16_000

    private func setAttributes(_ entry: TarEntry, _ path: [UInt8], follow: Bool) throws {
        for attribute in entry.attributes {
            // The kernel allows none of `user.` on anything but files and directories.
            guard Self.isKept(attribute.name), !attribute.name.contains(0), follow || !attribute.name.starts(with: "user.".utf8)
            else { continue }
            // The file system says of such a one that it has no space left.
            guard attribute.name.count + attribute.value.count <= Self.attributeLimit else {
                throw OCIError(
                    .hostile,
                    "its attribute '\(shown(Array(attribute.name.prefix(60))))' has \(attribute.value.count) bytes, of which a file system takes \(Self.attributeLimit)"
                )
            }
            try retryingInterrupts("set attribute \(shown(attribute.name)) of", shown(entry.path)) {
                withBytes(path) { path in
                    withBytes(attribute.name) {
                        dish_setxattr(path, $0, attribute.value, UInt(attribute.value.count), follow ? 1 : 0)
                    }
                }
            }
        }
    }

    private static func isKept(_ attribute: [UInt8]) -> Bool {
        attribute.starts(with: "user.".utf8) || attribute.elementsEqual("security.capability".utf8)
    }

    /// A directory that a layer lists has the attributes of that layer, and not those from below.
    func removeAttributes(of directory: OpenedDirectory, except kept: [(name: [UInt8], value: [UInt8])]) throws {
        let path = Array("/proc/self/fd/\(directory.file.number)".utf8)
        var list = [UInt8](repeating: 0, count: 65536)
        let length = try retryingInterrupts("list attributes of", shown(directory.path)) {
            list.withUnsafeMutableBytes { buffer in
                withBytes(path) {
                    dish_listxattr($0, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), UInt(buffer.count), 1)
                }
            }
        }
        for name in list[..<length].split(separator: 0).map(Array.init)
        where Self.isKept(name) && !kept.contains(where: { $0.name == name }) {
            try retryingInterrupts("remove attribute of", shown(directory.path)) {
                withBytes(path) { path in withBytes(name) { dish_removexattr(path, $0, 1) } }
            }
        }
    }

    private static func times(_ seconds: Int64, _ nanoseconds: UInt32) -> [timespec] {
        let time = timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
        return [time, time]
    }

    static func setTime(_ file: CInt, _ seconds: Int64, _ nanoseconds: UInt32, _ name: String) throws {
        try retryingInterrupts("set time of", name) { futimens(file, times(seconds, nanoseconds)) }
    }
}

extension LayerUnpacker {
    /// Puts one small file into a root, as an archive with that file alone would: root's, 0644, time 0.
    public static func put(_ content: [UInt8], at path: String, root: String) throws {
        let archive = OwnedFD(adopting: try retryingInterrupts("create memory file") { dish_memory_file("archive") })
        let writer = TarWriter(archive.number)
        try writer.add(content, at: path)
        _ = try writer.finish()
        lseek(archive.number, 0, SEEK_SET)
        _ = try LayerUnpacker(root: root).unpack(archive.number, limit: 1 << 30)
    }
}
