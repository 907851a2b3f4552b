import Glibc
import Linux
import Runtime
import Testing

@Suite struct NspawnRootTests {
    private func prepare(_ make: (String) throws -> Void) throws -> Bool {
        var template = Array("/tmp/dish-unit-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        let root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? Files.removeTree(root) }
        try make(root)
        try Nspawn().prepare(root: root)
        return Files.exists("\(root)/etc/machine-id")
    }

    @Test func aMachineIDThatIsNoFileIsTakenAway() throws {
        func made(_ make: (String) -> CInt) throws -> Bool {
            try prepare { root in
                try Files.makeDirectories("\(root)/etc")
                #expect(make("\(root)/etc/machine-id") == 0)
            }
        }
        #expect(try !made { mkfifo($0, 0o644) })
        #expect(try !made { symlink("/dev/null", $0) })
        #expect(try !made { symlink("../nowhere", $0) })
        #expect(try made { (try? Files.replace($0, with: "uninitialized\n".utf8)) == nil ? -1 : 0 })
        #expect(try !prepare { _ in })
        #expect(throws: RuntimeError.self) { try prepare { #expect(symlink("/etc", "\($0)/etc") == 0) } }
    }

    @Test func whatWasTakenAwayComesBackAsItWas() throws {
        var template = Array("/tmp/dish-unit-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? Files.removeTree(folder) }
        let (root, before) = ("\(folder)/root", "\(folder)/before")
        let nspawn = Nspawn()
        func times(_ path: String) -> [Int] {
            var status = stat()
            #expect(lstat(path, &status) == 0)
            return [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
        }
        for path in [root, before] {
            try Files.makeDirectories("\(path)/etc")
            #expect(symlink("/run/machine-id", "\(path)/etc/machine-id") == 0)
            for name in ["etc/machine-id", "etc"] {
                let time = timespec(tv_sec: 1_000_000, tv_nsec: 7)
                #expect(utimensat(AT_FDCWD, "\(path)/\(name)", [time, time], AT_SYMLINK_NOFOLLOW) == 0)
            }
        }
        #expect(try nspawn.pathTakenAway(from: before) == "/etc/machine-id")
        try nspawn.prepare(root: root)
        #expect(try nspawn.pathTakenAway(from: root) == nil)
        #expect(try Files.list("\(root)/etc") == [] && times("\(root)/etc") == [1_000_000, 7])
        try nspawn.restore(root: root, from: before)
        #expect(try Files.list("\(root)/etc") == ["machine-id"])
        #expect(try nspawn.pathTakenAway(from: root) == "/etc/machine-id")
        #expect(times("\(root)/etc/machine-id") == [1_000_000, 7] && times("\(root)/etc") == [1_000_000, 7])
        // What a step has made stays.
        try nspawn.prepare(root: root)
        try Files.replace("\(root)/etc/machine-id", with: "made".utf8, durable: false)
        try nspawn.restore(root: root, from: before)
        #expect(try Files.readText("\(root)/etc/machine-id") == "made")
    }
}
