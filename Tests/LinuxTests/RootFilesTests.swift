import Glibc
import Linux
import Testing

@Suite struct RootFilesTests {
    @Test func aFileIsReadInsideTheRoot() async throws {
        try await withTemporaryDirectory { folder in
            try Files.makeDirectories("\(folder)/root/etc")
            try Files.replace("\(folder)/secret", with: Array("outside".utf8), durable: false)
            try Files.replace("\(folder)/root/etc/hosts", with: Array("in".utf8), durable: false)
            for (name, target) in [("rooted", "/etc/hosts"), ("up", "../../etc/hosts"), ("out", "\(folder)/secret")] {
                #expect(symlink(target, "\(folder)/root/\(name)") == 0)
            }
            let root = try OwnedFD.open("\(folder)/root", O_RDONLY | O_DIRECTORY)
            for path in ["etc/hosts", "rooted", "up"] {
                #expect(try root.readFile(inRoot: path) == Array("in".utf8))
            }
            #expect(try root.readFileIfPresent(inRoot: "out") == nil)
            #expect(try root.readFileIfPresent(inRoot: "etc/hosts/below") == nil)
        }
    }

    /// A kind of file that isn't read, by its name.
    @Test(.timeLimit(.minutes(1)), arguments: ["fifo", "directory", "socket", "device", "loop"])
    func whatIsNoRegularFileIsRefusedAtOnce(_ kind: String) async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/\(kind)"
            switch kind {
            case "fifo": #expect(mkfifo(path, 0o600) == 0)
            case "directory": #expect(mkdir(path, 0o700) == 0)
            case "socket": #expect(mknod(path, S_IFSOCK | 0o600, 0) == 0)
            case "device": #expect(symlink("/zero", path) == 0)
            default: #expect(symlink(kind, path) == 0)
            }
            let root = try OwnedFD.open(kind == "device" ? "/dev" : folder, O_RDONLY | O_DIRECTORY)
            do {
                _ = try root.readFile(inRoot: kind == "device" ? "zero" : kind)
                Issue.record("'\(kind)' was read")
            } catch let error as SystemError {
                #expect(error.code == (kind == "loop" ? ELOOP : EINVAL))
            }
        }
    }

    @Test func aFileIsReadUpToTheLimitAndNoFurther() async throws {
        try await withTemporaryDirectory { folder in
            try Files.replace("\(folder)/file", with: [UInt8](repeating: 7, count: 1000), durable: false)
            let sparse = try OwnedFD.open("\(folder)/sparse", O_RDWR | O_CREAT)
            #expect(ftruncate(sparse.number, 1 << 40) == 0)
            let root = try OwnedFD.open(folder, O_RDONLY | O_DIRECTORY)
            #expect(try root.readFile(inRoot: "file", limit: 1000).count == 1000)
            for (path, limit) in [("file", 999), ("sparse", OwnedFD.fileLimit)] {
                do {
                    _ = try root.readFile(inRoot: path, limit: limit)
                    Issue.record("'\(path)' was read")
                } catch let error as SystemError {
                    #expect(error.code == EFBIG)
                }
            }
        }
    }
}
