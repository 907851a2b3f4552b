import AgentAPI
import Glibc
import Linux
import TaskHelper
import Testing

@testable import Agent

/// Users of images that nobody trusts.
@Suite final class ImageUserTests {
    private let root: String

    init() throws {
        var template = Array("/tmp/dish-user-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try Files.makeDirectories("\(root)/etc")
        try write(
            "/etc/passwd",
            "root:x:0:0::/root:/bin/sh\nkeeper:x:1000:1001::/srv:/bin/sh\n2000:x:7:8::/x:/bin/sh\nshort:x\nhuge:x:70000:1::/:/x\n"
        )
        try write("/etc/group", "root:x:0:\nkeeper:x:1001:\nextra:x:2000:other,keeper\nmore:x:2001:keeper\nbroken\n")
    }

    deinit { try? Files.removeTree(root) }

    private func write(_ path: String, _ text: String) throws { try Files.replace(root + path, with: text.utf8, durable: false) }

    private func user(_ text: String) throws -> ImageUser {
        try ImageUser(text, root: OwnedFD.open(root, O_RDONLY | O_DIRECTORY))
    }

    @Test func namesAndNumbersAreUnderstood() throws {
        let keeper = try user("keeper")
        #expect(keeper.identity == .init(user: 1000, group: 1001, groups: [1001, 2000, 2001]))
        #expect(keeper.home == "/srv" && keeper.name == "keeper")
        #expect(try user("1000") == keeper)
        #expect(try user("keeper:extra").identity == .init(user: 1000, group: 2000, groups: [2000]))
        #expect(try user("1234:4321").identity == .init(user: 1234, group: 4321, groups: [4321]))
        #expect(try user("1234").identity == .init(user: 1234, group: 0, groups: [0]) && user("1234").home == "/")
        #expect(try user("2000").identity.user == 7, "a name goes before a number")
        #expect(try user("root").identity.user == 0 && user("").identity.user == 0 && user("0:0").home == "/root")
    }

    @Test(arguments: ["nobody", "short", "keeper:none", "-1", "huge", "70000", "1:99999999999", "4294967295"])
    func whatTheImageDoesNotKnowIsAnError(_ text: String) throws {
        #expect(throws: AgentError.self) { try user(text) }
    }

    @Test func filesThatLeadOutOrNeverEndAreNotRead() throws {
        // A link out of the image leads to the image's own file, which isn't there.
        unlink("\(root)/etc/passwd")
        symlink("/etc/passwd", "\(root)/etc/passwd")
        #expect(throws: AgentError.self) { try user("daemon") }
        unlink("\(root)/etc/passwd")
        symlink("../../../../../../etc/passwd-of-the-host", "\(root)/etc/passwd")
        #expect(throws: AgentError.self) { try user("daemon") }
        unlink("\(root)/etc/passwd")
        mkfifo("\(root)/etc/passwd", 0o644)
        #expect(throws: AgentError.self) { try user("1000") }
        unlink("\(root)/etc/passwd")
        try write("/etc/passwd", "")
        truncate("\(root)/etc/passwd", 1 << 40)
        #expect(throws: AgentError.self) { try user("1000") }
    }

    @Test func aProgramIsFoundInThePathOfTheImage() throws {
        try Files.makeDirectories("\(root)/opt/bin")
        try write("/opt/bin/tool", "")
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        #expect(try ImageUser.program("tool", path: "/bin:/opt/bin", root: directory) == "/opt/bin/tool")
        #expect(try ImageUser.program("./tool", path: nil, root: directory) == "./tool")
        do {
            _ = try ImageUser.program("sh", path: "/bin:/usr/bin", root: directory)
            Issue.record("the host's shell was found")
        } catch {
            #expect("\(error)".contains("there is no 'sh' in the image"))
        }
    }
}
