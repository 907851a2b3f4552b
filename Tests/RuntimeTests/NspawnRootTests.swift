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
}
