import Glibc
import Linux
import Testing

@Suite struct OwnedFDTests {
    @Test func aDescriptorIsClosedWithItsOwnerAndOnExec() throws {
        let number: CInt
        do {
            let file = try OwnedFD.open("/dev/null", O_RDONLY)
            number = file.number
            #expect(fcntl(number, F_GETFD) == FD_CLOEXEC)
        }
        let other = try OwnedFD.open("/dev/null", O_RDONLY)
        // The lowest free number is given: nothing but this test's own descriptor could have kept it.
        #expect(other.number <= number || fcntl(number, F_GETFD) < 0)
    }

    @Test func aReleasedDescriptorStaysOpen() throws {
        let number = try OwnedFD.open("/dev/null", O_RDONLY).release()
        #expect(fcntl(number, F_GETFD) >= 0)
        close(number)
    }

    /// What leads out of a directory, and the error it gives.
    @Test(arguments: [
        ("../outside", EXDEV), ("inside/../../outside", EXDEV), ("/etc/passwd", EXDEV), ("absolute", EXDEV), ("up", EXDEV),
        ("inside/far", EXDEV), ("loop", ELOOP), ("missing", ENOENT),
    ])
    func openingBeneathADirectoryNeverLeavesIt(_ path: String, _ code: CInt) async throws {
        try await withTemporaryDirectory { folder in
            try makeTree(folder)
            let root = try OwnedFD.open("\(folder)/root", O_RDONLY | O_DIRECTORY)
            do {
                _ = try root.open(beneath: path, O_RDONLY)
                Issue.record("'\(path)' could be opened")
            } catch let error as SystemError {
                #expect(error.code == code)
            }
        }
    }

    @Test(arguments: ["inside/file", "inside/../inside/file", "near"])
    func whatStaysBeneathIsOpened(_ path: String) async throws {
        try await withTemporaryDirectory { folder in
            try makeTree(folder)
            let root = try OwnedFD.open("\(folder)/root", O_RDONLY | O_DIRECTORY)
            #expect(try Files.read(try root.open(beneath: path, O_RDONLY), path) == Array("in".utf8))
        }
    }

    @Test func inARootAbsoluteLinksAndDotsStayInIt() async throws {
        try await withTemporaryDirectory { folder in
            try makeTree(folder)
            #expect(symlink("/inside/file", "\(folder)/root/rooted") == 0)
            let root = try OwnedFD.open("\(folder)/root", O_RDONLY | O_DIRECTORY)
            for path in ["rooted", "/inside/file", "../../inside/file"] {
                #expect(try Files.read(try root.open(inRoot: path, O_RDONLY), path) == Array("in".utf8))
            }
            let found = ["inside", "outside", "up"].map { root.contains($0) }
            #expect(found == [true, false, false])
        }
    }

    @Test func magicLinksAreNotFollowed() async throws {
        try await withTemporaryDirectory { folder in
            #expect(symlink("/proc/self/root", "\(folder)/magic") == 0)
            let root = try OwnedFD.open("/proc", O_RDONLY | O_DIRECTORY)
            #expect(throws: SystemError.self) { _ = try root.open(beneath: "self/root", O_RDONLY) }
        }
    }

    private func makeTree(_ folder: String) throws {
        try Files.makeDirectories("\(folder)/root/inside")
        try Files.replace("\(folder)/outside", with: "out".utf8, durable: false)
        try Files.replace("\(folder)/root/inside/file", with: "in".utf8, durable: false)
        for (target, name) in [
            ("/etc/passwd", "absolute"), ("../outside", "up"), ("../../outside", "inside/far"), ("inside/file", "near"),
            ("loop", "loop"),
        ] { #expect(symlink(target, "\(folder)/root/\(name)") == 0) }
    }
}
