import CLinux
import Glibc
import Linux
import Manifest

/// What there is at a path of an image, and whether it is as a test expects it.
struct FileCheck {
    private let file: Located<FileExpectation>
    private let contents: ImageContents
    /// Nil when there is nothing.
    private let found: Found?
    /// Of the regular file that the path leads to; nil when it leads to none.
    private let text: String?

    private struct Found {
        let status: stat
        /// Where a symbolic link leads.
        let target: String?
    }

    init(_ file: Located<FileExpectation>, in root: borrowing RootDirectory, _ contents: ImageContents) throws {
        self.file = file
        self.contents = contents
        found = try Self.look(at: file.value.path, in: root)
        text = file.value.content == nil ? nil : try Self.text(of: file.value.path, in: root)
    }

    func failures() -> [TestFailure] {
        let (expected, path) = (file.value, file.value.path)
        guard let found else {
            return expected.isAbsent ? [] : [failure("a file at \(path)", "there is nothing")]
        }
        let type = Self.type(found.status)
        if expected.isAbsent { return [failure("nothing at \(path)", "there is a \(type)")] }
        let status = found.status
        var failures: [TestFailure] = []
        func compare(_ what: String, _ wanted: String?, _ seen: String) {
            guard let wanted, wanted != seen else { return }
            failures.append(failure("the \(what) of \(path) to be \(wanted)", "it is \(seen)"))
        }
        compare("type", expected.type?.rawValue, type)
        compare("mode", expected.mode.map(Self.octal), Self.octal(status.st_mode & 0o7777))
        compare("owner", expected.owner, Self.name(status.st_uid, among: contents.users, as: expected.owner))
        compare("group", expected.group, Self.name(status.st_gid, among: contents.groups, as: expected.group))
        compare("target", expected.target, found.target ?? "no symlink but a \(type)")
        return failures + contentFailures()
    }

    private func contentFailures() -> [TestFailure] {
        guard let content = file.value.content else { return [] }
        guard let text else {
            return [failure("content at \(file.value.path)", "it leads to no regular file")]
        }
        return content.faults(of: text).map { fault in
            failure(
                "the content of \(file.value.path), which \(fault)",
                text.isEmpty ? "it is empty" : "it is\(quoted(text, ""))")
        }
    }

    private func failure(_ expected: String, _ seen: String) -> TestFailure {
        TestFailure(file.place, expected: expected, seen: seen)
    }

    private static func look(at path: String, in root: borrowing RootDirectory) throws -> Found? {
        guard root.exists(path) else { return nil }
        let opened = try root.open(path, DISH_O_PATH | O_NOFOLLOW)
        var status = stat()
        let number = opened.number
        try retryingInterrupts("look at", path) { fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFLNK else { return Found(status: status, target: nil) }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = try retryingInterrupts("read link", path) { readlinkat(number, "", &buffer, buffer.count - 1) }
        let target = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return Found(status: status, target: target)
    }

    private static func text(of path: String, in root: borrowing RootDirectory) throws -> String? {
        guard let opened = try? root.open(path, DISH_O_PATH) else { return nil }
        var status = stat()
        // A FIFO would be waited for.
        guard fstat(opened.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return String(decoding: try root.read(path) ?? [], as: UTF8.self)
    }

    private static func octal(_ mode: UInt32) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// An id as it was asked for: as a number, or as the name it has in the image.
    private static func name(_ id: UInt32, among accounts: [String: String], as wanted: String?) -> String {
        guard let wanted, UInt32(wanted) == nil else { return String(id) }
        if id == 0, wanted == "root" { return wanted }
        func has(_ line: String) -> Bool { TreeCheck.fields(line).dropFirst().first == String(id) }
        if let line = accounts[wanted], has(line) { return wanted }
        return accounts.filter { has($0.value) }.keys.min() ?? String(id)
    }

    private static func type(_ status: stat) -> String {
        switch status.st_mode & S_IFMT {
        case S_IFREG: "file"
        case S_IFDIR: "directory"
        case S_IFLNK: "symlink"
        case S_IFCHR: "char"
        case S_IFBLK: "block"
        case S_IFIFO: "fifo"
        default: "socket"
        }
    }
}
