import CLinux
import Glibc
import Linux

@testable import Layers

/// A tree in a temporary directory, made by bytes: names need not be text.
struct TestTree: ~Copyable {
    let root: String
    /// The time every entry has, in seconds since 1970, unless a test says otherwise.
    static let time: Int64 = 1_700_000_000

    init() throws {
        var template = Array("/tmp/dish-unit-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? Files.removeTree(root) }

    func file(_ name: String, _ content: String, mode: mode_t = 0o644) throws { try file(Array(name.utf8), content, mode: mode) }

    func file(_ name: [UInt8], _ content: String, mode: mode_t = 0o644) throws {
        let number = try call("create", name) { open($0, O_WRONLY | O_CREAT | O_TRUNC, 0o600) }
        defer { close(number) }
        try Files.write(content.utf8, to: number, root)
        fchmod(number, mode)
    }

    func directory(_ name: String, mode: mode_t = 0o755) throws {
        try call("create directory", Array(name.utf8)) { mkdir($0, 0o700) }
        try call("set mode of", Array(name.utf8)) { chmod($0, mode) }
    }

    func link(_ name: String, to target: String) throws { try call("link", Array(name.utf8)) { symlink(target, $0) } }

    func hardLink(_ name: String, to other: String) throws {
        try call("link", Array(name.utf8)) { Glibc.link("\(root)/\(other)", $0) }
    }

    /// Sets an extended attribute; false where the file system has none.
    func attribute(_ name: String, _ attribute: String, _ value: String) throws -> Bool {
        // Swift's Glibc module has none of the calls for attributes.
        typealias SetAttribute =
            @convention(c) (
                UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafePointer<CChar>, Int, CInt
            ) -> CInt
        let set = unsafeBitCast(dlsym(nil, "setxattr"), to: SetAttribute.self)
        if set("\(root)/\(name)", attribute, value, value.utf8.count, 0) == 0 { return true }
        guard errno == ENOTSUP else { throw SystemError("set attribute \(attribute) of", name) }
        return false
    }

    func remove(_ name: String) throws { try call("remove", Array(name.utf8)) { Glibc.remove($0) } }

    /// The digest with all times set to one, so that it says nothing of when the test ran.
    func digest() throws -> TreeDigest {
        try setTimes(Array(root.utf8))
        return try TreeDigest(of: root)
    }

    func setTime(_ name: String, _ seconds: Int64) throws {
        try call("set time of", Array(name.utf8)) { dish_set_mtime(AT_FDCWD, $0, seconds) }
    }

    private func setTimes(_ path: [UInt8]) throws {
        var status = stat()
        try retryingInterrupts("stat") { withPath(path) { lstat($0, &status) } }
        if status.st_mode & S_IFMT == S_IFDIR, let directory = withPath(path, { opendir($0) }) {
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
                if name != [46], name != [46, 46] { try setTimes(path + [47] + name) }
            }
        }
        try retryingInterrupts("set time") { withPath(path) { dish_set_mtime(AT_FDCWD, $0, Self.time) } }
    }

    @discardableResult
    private func call(_ operation: String, _ name: [UInt8], _ body: (UnsafePointer<CChar>) -> CInt) throws -> CInt {
        try retryingInterrupts(operation, root) { withPath(Array("\(root)/".utf8) + name, body) }
    }
}
