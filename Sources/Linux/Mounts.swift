import CLinux
import Glibc

/// Mounting in this process's mount namespace, and what is mounted there or in another's.
public enum Mounts {
    /// One line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
    public struct Entry: Sendable {
        /// Where it is mounted.
        public let path: String
        /// The file system's type: "btrfs".
        public let type: String
        /// The device or other source.
        public let source: String
        /// The directory within the file system that is mounted: "/" or a subvolume's path.
        public let root: String
        /// Comma-separated options of the file system.
        public let options: String
        /// True if what is mounted below it appears in its peers too (mount_namespaces(7)).
        public let isShared: Bool
    }

    /// What is mounted.
    ///
    /// - Parameter process: in whose mount namespace, by its number.
    public static func list(of process: String = "self") throws(SystemError) -> [Entry] {
        try Files.readText("/proc/\(process)/mountinfo").split(separator: "\n").compactMap(parse)
    }

    /// The mount that a path lies in: the last one mounted on the longest prefix.
    public static func containing(_ path: String) throws(SystemError) -> Entry? {
        var found: Entry?
        for entry in try list() {
            let prefix = entry.path == "/" ? "/" : entry.path + "/"
            guard path == entry.path || path.hasPrefix(prefix) else { continue }
            if entry.path.utf8.count >= found?.path.utf8.count ?? 0 { found = entry }
        }
        return found
    }

    public static func mount(
        _ source: String, on target: String, type: String? = nil, flags: UInt = 0, data: String? = nil
    ) throws(SystemError) {
        try retryingInterrupts("mount '\(source)' on", target) {
            Glibc.mount(source, target, type, flags, data)
        }
    }

    /// Unmounts; a path where nothing is mounted is no error.
    public static func unmount(_ target: String, flags: CInt = 0) throws(SystemError) {
        guard umount2(target, flags) != 0 else { return }
        let code = errno
        if code == EINVAL || code == ENOENT { return }
        throw SystemError("unmount", target, code: code)
    }

    static func parse(_ line: Substring) -> Entry? {
        // 36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue
        let fields = line.split(separator: " ", omittingEmptySubsequences: false)
        guard let separator = fields.firstIndex(of: "-"), separator >= 6, fields.count > separator + 3 else {
            return nil
        }
        return Entry(
            path: unescape(fields[4]), type: String(fields[separator + 1]), source: unescape(fields[separator + 2]),
            root: unescape(fields[3]), options: String(fields[separator + 3]),
            isShared: fields[6..<separator].contains { $0.hasPrefix("shared:") }
        )
    }

    /// Undoes the octal escapes of blanks and backslashes (`\040`).
    private static func unescape(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, let value = UInt8(Substring(digits), radix: 8) {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
