import Glibc
import Linux

/// Runs a closure with a new empty directory, which goes afterwards.
func withTemporaryDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    var template = Array("/tmp/dish-unit-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { try? Files.removeTree(path) }
    return try await body(path)
}
