import CLinux
import Glibc
import Linux
import Testing

@Suite struct TreeCopyTests {
    private func copy(_ folder: String) throws {
        let directory = try OwnedFD.open(folder, O_RDONLY | O_DIRECTORY)
        try TreeCopy.copy(Array("from".utf8), in: directory, to: directory, as: Array("to".utf8))
    }

    private func status(_ path: String) -> stat {
        var status = stat()
        #expect(lstat(path, &status) == 0, "\(path)")
        return status
    }

    @Test func allThatFilesHaveIsCopied() async throws {
        try await withTemporaryDirectory { folder in
            try Files.makeDirectories("\(folder)/from/sub/empty")
            try Files.replace("\(folder)/from/file", with: Array("data".utf8), durable: false)
            #expect(link("\(folder)/from/file", "\(folder)/from/sub/second") == 0)
            #expect(symlink("/etc/passwd", "\(folder)/from/link") == 0)
            #expect(mkfifo("\(folder)/from/pipe", 0o640) == 0)
            let sparse = try OwnedFD.open("\(folder)/from/sparse", O_RDWR | O_CREAT)
            #expect(pwrite(sparse.number, "end", 3, 1 << 40) == 3)
            #expect(chmod("\(folder)/from/sub", 0o2511) == 0)
            #expect(dish_set_times(AT_FDCWD, "\(folder)/from/file", 5, 6, 7, 8) == 0)
            try copy(folder)
            #expect(try Files.list("\(folder)/to") == ["file", "link", "pipe", "sparse", "sub"])
            #expect(try Files.list("\(folder)/to/sub") == ["empty", "second"])
            let (file, second) = (status("\(folder)/to/file"), status("\(folder)/to/sub/second"))
            #expect(file.st_ino == second.st_ino && file.st_nlink == 2)
            #expect(file.st_mtim.tv_sec == 7 && file.st_mtim.tv_nsec == 8)
            #expect(status("\(folder)/to/sub").st_mode & 0o7777 == 0o2511)
            #expect(status("\(folder)/to/pipe").st_mode == S_IFIFO | 0o640)
            let copied = status("\(folder)/to/sparse")
            #expect(copied.st_size == 1 << 40 + 3 && copied.st_blocks < 100)
            #expect(try Files.list(folder) == ["from", "to"])
        }
    }

    @Test func aLinkInTheTargetIsNotFollowed() async throws {
        try await withTemporaryDirectory { folder in
            try Files.makeDirectories("\(folder)/from")
            try Files.makeDirectories("\(folder)/outside")
            #expect(symlink("outside", "\(folder)/to") == 0)
            #expect(throws: SystemError.self) { try copy(folder) }
            #expect(try Files.list("\(folder)/outside") == [])
        }
    }

    /// Deeper than descriptors and paths reach.
    @Test func deepTreesAreCopiedAndRemoved() async throws {
        try await withTemporaryDirectory { folder in
            try Files.makeDirectories("\(folder)/from")
            var current = try OwnedFD.open("\(folder)/from", O_RDONLY | O_DIRECTORY)
            for _ in 0..<1200 {
                #expect(mkdirat(current.number, "d", 0o700) == 0)
                current = try current.directory(Array("d".utf8))
            }
            #expect(mkdirat(current.number, "\u{e4}", 0o700) == 0)
            try copy(folder)
            try Files.removeTree("\(folder)/from")
            try Files.removeTree("\(folder)/to")
            #expect(try Files.list(folder) == [])
        }
    }

    @Test func aTreeThatIsCheckedStops() async throws {
        try await withTemporaryDirectory { folder in
            try Files.makeDirectories("\(folder)/from/a")
            let directory = try OwnedFD.open(folder, O_RDONLY | O_DIRECTORY)
            #expect(throws: CancellationError.self) {
                try TreeCopy.copy(Array("from".utf8), in: directory, to: directory, as: Array("to".utf8)) {
                    throw CancellationError()
                }
            }
        }
    }
}
