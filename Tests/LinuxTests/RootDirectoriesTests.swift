import Glibc
import Linux
import Testing

@Suite struct RootDirectoriesTests {
    private func mode(_ path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR ? status.st_mode & 0o7777 : nil
    }

    @Test func missingDirectoriesAreMadeInsideTheRootWhateverLinksSay() async throws {
        try await withTemporaryDirectory { folder in
            let root = "\(folder)/root"
            try Files.makeDirectories("\(root)/var")
            for (name, target) in [("var/run", "/run"), ("up", "../../../made"), ("var/near", "../near")] {
                #expect(symlink(target, "\(root)/\(name)") == 0)
            }
            let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
            for path in ["/var/run/work", "up/below", "/var/near", "/a/./b/../c", "/../../top", ""] {
                try directory.makeDirectories(inRoot: path)
                try directory.makeDirectories(inRoot: path)
            }
            try directory.makeDirectories(inRoot: "tmp", mode: 0o1777)
            for path in ["run/work", "made/below", "near", "a/b", "a/c", "top"] {
                #expect(mode("\(root)/\(path)") == 0o755, "\(path)")
            }
            #expect(mode("\(root)/tmp") == 0o1777)
            #expect(try Files.list(folder) == ["root"])
            try directory.makeFile(inRoot: "/var/run/file")
            try directory.makeFile(inRoot: "/var/run/file")
            try directory.makeFile(inRoot: "/etc/hosts")
            #expect(symlink("/nowhere/else", "\(root)/dangling") == 0)
            try directory.makeFile(inRoot: "dangling")
            #expect(try Files.read("\(root)/run/file").isEmpty && Files.exists("\(root)/etc/hosts"))
        }
    }

    @Test func whatIsNoDirectoryAndLoopsOfLinksAreErrors() async throws {
        try await withTemporaryDirectory { folder in
            try Files.replace("\(folder)/file", with: [1], durable: false)
            #expect(mkfifo("\(folder)/pipe", 0o600) == 0)
            for (name, target) in [("a", "b"), ("b", "a"), ("self", "self/x"), ("to-file", "file")] {
                #expect(symlink(target, "\(folder)/\(name)") == 0)
            }
            let directory = try OwnedFD.open(folder, O_RDONLY | O_DIRECTORY)
            for (path, code) in [
                ("file/x", ENOTDIR), ("file", ENOTDIR), ("pipe", ENOTDIR), ("to-file/x", ENOTDIR), ("a/x", ELOOP),
                ("self", ELOOP),
            ] {
                let error = #expect(throws: SystemError.self, "\(path)") { try directory.makeDirectories(inRoot: path) }
                #expect(error?.code == code, "\(path): \(String(describing: error))")
            }
        }
    }
}
