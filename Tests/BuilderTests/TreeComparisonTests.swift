import CLinux
import Glibc
import Linux
import Testing

@testable import Builder

/// What a run step may have left in the tree that is compared.
struct TreeComparisonTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/dish-unit-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? Files.removeTree(folder) }
        for name in ["before", "after"] { try Files.makeDirectories("\(folder)/\(name)") }
        try body(folder)
    }

    private func first(_ folder: String, _ ignoring: [String] = [], before: String = "before") throws -> String? {
        try TreeComparison(before: "\(folder)/\(before)", after: "\(folder)/after", ignoring: ignoring).first()
    }

    @Test func namesThatAreNoTextAreCompared() throws {
        try withFolder { folder in
            #expect(try first(folder) == nil)
            let after = try OwnedFD.open("\(folder)/after", O_RDONLY | O_DIRECTORY)
            let name: FileName = [0x61, 0xff, 0x1b]
            #expect(name.withCString { mkdirat(after.number, $0, 0o700) } == 0)
            #expect(try first(folder) == "/a\u{fffd}?")
            let before = try OwnedFD.open("\(folder)/before", O_RDONLY | O_DIRECTORY)
            #expect(name.withCString { mkdirat(before.number, $0, 0o700) } == 0)
            // Another inode.
            #expect(try first(folder) == "/a\u{fffd}?")
            #expect(try first(folder, before: "after") == nil)
        }
    }

    @Test func aTreeThatIsTooDeepForAPathIsCompared() throws {
        try withFolder { folder in
            var current = try OwnedFD.open("\(folder)/after", O_RDONLY | O_DIRECTORY)
            let name: FileName = Array(String(repeating: "d", count: 200).utf8)
            for _ in 0..<1200 {
                #expect(name.withCString { mkdirat(current.number, $0, 0o700) } == 0)
                current = try current.directory(name)
            }
            #expect(try first(folder, before: "after") == nil)
        }
    }

    @Test func aLinkInTheTreeIsNotFollowed() throws {
        try withFolder { folder in
            #expect(symlink("/usr", "\(folder)/after/link") == 0)
            #expect(link("\(folder)/after/link", "\(folder)/before/link") == 0)
            let found = try first(folder)
            #expect(found == nil)
        }
    }

    @Test func whatANewDirectoryHoldsBesideOutputsIsFound() throws {
        try withFolder { folder in
            try Files.makeDirectories("\(folder)/after/new/inner/output")
            #expect(try first(folder) == "/new")
            #expect(try first(folder, ["/new/inner/output"]) == nil)
            #expect(try first(folder, ["/ne"]) == "/new")
            try Files.replace("\(folder)/after/new/other", with: "x".utf8, durable: false)
            #expect(try first(folder, ["/new/inner/output"]) == "/new/other")
        }
    }
}
