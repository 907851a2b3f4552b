import Glibc
import Linux

/// A new empty directory, which goes with this value.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/dish-unit-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? Files.removeTree(path) }
}
