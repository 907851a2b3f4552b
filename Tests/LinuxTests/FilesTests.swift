import Glibc
import Linux
import Testing

@Suite struct FilesTests {
    @Test(arguments: [
        ("/a/b", "/a/b"), ("/a//b/", "/a/b"), ("/a/./b/../c", "/a/c"), ("/", "/"), ("/..", "/"), ("/../../a", "/a"), ("//", "/"),
    ])
    func anAbsolutePathIsResolvedByName(_ path: String, _ expected: String) {
        #expect(Files.absolute(path) == expected)
    }

    @Test func aRelativePathIsMadeAbsoluteAgainstTheWorkingDirectory() {
        let folder = Files.absolute(".")
        #expect(folder.hasPrefix("/"))
        #expect(Files.absolute("x/../y") == (folder == "/" ? "/y" : "\(folder)/y"))
    }

    @Test(arguments: [("/a/b", "/a", "b"), ("/a", "/", "a"), ("a", ".", "a"), ("/", "/", "/"), ("a/b", "a", "b")])
    func aPathHasAParentAndAName(_ path: String, _ parent: String, _ name: String) {
        #expect(Files.parent(of: path) == parent)
        #expect(Files.name(of: path) == name)
    }

    @Test func linksOfAPathAreFollowedAsFarAsItExists() async throws {
        try await withTemporaryDirectory { folder in
            let real = Files.resolved("\(folder)/real")
            try Files.makeDirectories("\(real)/there")
            symlink("real", "\(folder)/link")
            #expect(Files.resolved("\(folder)/link/there") == "\(real)/there")
            #expect(Files.resolved("\(folder)/link/none/x") == "\(real)/none/x")
            #expect(Files.resolved("/none") == "/none" && Files.resolved("/") == "/")
        }
    }

    @Test func replacingAFileLeavesTheNewContentAndNothingElse() async throws {
        try await withTemporaryDirectory { folder in
            try Files.replace("\(folder)/f", with: "old".utf8, mode: 0o600)
            try Files.replace("\(folder)/f", with: "new".utf8, durable: false)
            #expect(try Files.readText("\(folder)/f") == "new")
            #expect(try Files.list(folder) == ["f"])
        }
    }

    @Test func aReaderSeesTheOldOrTheNewContentWhileAFileIsReplaced() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/f"
            let contents = ["a", "b"].map { String(repeating: $0, count: 200_000) }
            try Files.replace(path, with: contents[0].utf8, durable: false)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for round in 1...100 { try Files.replace(path, with: contents[round % 2].utf8, durable: false) }
                }
                group.addTask {
                    for _ in 0..<100 {
                        let text = try Files.readText(path)
                        #expect(contents.contains(text))
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func aFileThatCannotBeReplacedIsLeftAsItIs() async throws {
        try await withTemporaryDirectory { folder in
            // A directory can't be replaced by a file.
            try Files.makeDirectories("\(folder)/taken/inner")
            let error = #expect(throws: SystemError.self) { try Files.replace("\(folder)/taken", with: "x".utf8) }
            #expect(error?.code == EISDIR)
            #expect(try Files.list(folder) == ["taken"])
        }
    }

    @Test func aMissingFileIsNilWhereThatIsAllowed() async throws {
        try await withTemporaryDirectory { folder in
            let text = try Files.readTextIfPresent("\(folder)/none")
            #expect(text == nil)
            let error = #expect(throws: SystemError.self) { try Files.read("\(folder)/none") }
            #expect(error?.description == "open '\(folder)/none': No such file or directory")
        }
    }

    @Test func directoriesAreMadeWithTheMissingOnesAboveThem() async throws {
        try await withTemporaryDirectory { folder in
            try Files.makeDirectories("\(folder)/a/b/c")
            try Files.makeDirectories("\(folder)/a/b/c")
            #expect(Files.isDirectory("\(folder)/a/b/c"))
            try Files.replace("\(folder)/file", with: [], durable: false)
            #expect(throws: SystemError.self) { try Files.makeDirectories("\(folder)/file") }
            #expect(throws: SystemError.self) { try Files.makeDirectories("\(folder)/file/below") }
        }
    }

    @Test func removingATreeDoesNotFollowLinks() async throws {
        try await withTemporaryDirectory { folder in
            try Files.makeDirectories("\(folder)/kept")
            try Files.replace("\(folder)/kept/file", with: [], durable: false)
            try Files.makeDirectories("\(folder)/gone/deep")
            #expect(symlink("\(folder)/kept", "\(folder)/gone/link") == 0)
            #expect(symlink("nowhere", "\(folder)/gone/deep/dangling") == 0)
            try Files.removeTree("\(folder)/gone")
            try Files.removeTree("\(folder)/gone")
            #expect(try Files.list(folder) == ["kept"])
            #expect(try Files.list("\(folder)/kept") == ["file"])
        }
    }

    @Test func aTreeWithNamesThatAreNotUTF8IsRemoved() async throws {
        try await withTemporaryDirectory { folder in
            try Files.makeDirectories("\(folder)/tree")
            let name = Array("\(folder)/tree/".utf8) + [0xFF, 0x0A, 0xC3, 0]
            let made = name.withUnsafeBytes { mkdir($0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o755) }
            #expect(made == 0)
            try Files.removeTree("\(folder)/tree")
            #expect(!Files.exists("\(folder)/tree"))
        }
    }

    @Test func aTreeThatSeveralRemoveAtOnceIsRemovedForAll() async throws {
        try await withTemporaryDirectory { folder in
            for index in 0..<20 {
                try Files.makeDirectories("\(folder)/tree/\(index)/inner")
                try Files.replace("\(folder)/tree/\(index)/inner/file", with: [], durable: false)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { try Files.removeTree("\(folder)/tree") } }
                try await group.waitForAll()
            }
            #expect(!Files.exists("\(folder)/tree"))
        }
    }
}
