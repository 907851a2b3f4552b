import Glibc
import Linux
import TaskAccess
import Testing

@Suite struct TaskUserTests {
    private static let passwd = """
        root:x:0:0:root:/root:/bin/bash
        broken
        web:x:33:34:w:/var/www:
        1000:x:7:8::/home/odd:/bin/zsh
        none:x:4294967295:0::/:/bin/sh
        """
    private static let group = "root:x:0:\nadm:x:4:web,other\nnot:x:5:webmaster\nwww:x:34:\nextra:x:99:web\n"

    /// A root directory with these files.
    private func withRoot(_ passwd: String?, _ group: String?, _ body: (borrowing OwnedFD, String) throws -> Void) throws {
        var name = Array("/tmp/dish-user-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw SystemError("create directory") }
        let path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? Files.removeTree(path) }
        try Files.makeDirectories("\(path)/etc")
        if let passwd { try Files.replace("\(path)/etc/passwd", with: passwd.utf8, durable: false) }
        if let group { try Files.replace("\(path)/etc/group", with: group.utf8, durable: false) }
        try body(try OwnedFD.open(path, O_RDONLY | O_DIRECTORY), path)
    }

    @Test func namesNumbersAndGroupsAreThoseOfTheTask() throws {
        try withRoot(Self.passwd, Self.group) { root, _ in
            let web = try TaskUser("web", in: root, of: "a")
            #expect(web.user == 33 && web.group == 34 && web.groups == [4, 34, 99] && web.home == "/var/www")
            #expect(web.shell == "/bin/sh" && web.name == "web")
            let again = try TaskUser("33", in: root, of: "a")
            #expect(again == web)
            // A name goes before a number.
            let odd = try TaskUser("1000", in: root, of: "a")
            #expect(odd.user == 7)
            let number = try TaskUser("1234", in: root, of: "a")
            #expect(number.user == 1234 && number.group == 0 && number.home == "/" && number.groups == [0])
            let both = try TaskUser("web:adm", in: root, of: "a")
            #expect(both.user == 33 && both.group == 4 && both.groups == [4])
            let numbers = try TaskUser("12:34", in: root, of: "a")
            #expect(numbers.user == 12 && numbers.group == 34)
            let first = try TaskUser("root", in: root, of: "a")
            #expect(first.shell == "/bin/bash")
            for text in ["nobody", "web:nogroup", "4294967295", "-1", "99999999999"] {
                #expect(throws: TaskAccessError.self) { try TaskUser(text, in: root, of: "a") }
            }
        }
        try withRoot(nil, nil) { root, _ in
            let user = try TaskUser("root", in: root, of: "a")
            #expect(user.home == "/root")
        }
    }

    @Test func filesThatAreNoneAreRefusedAtOnce() throws {
        try withRoot(nil, nil) { root, path in
            #expect(mkfifo("\(path)/etc/passwd", 0o644) == 0)
            #expect(throws: SystemError.self) { try TaskUser("web", in: root, of: "a") }
            unlink("\(path)/etc/passwd")
            let file = open("\(path)/etc/passwd", O_CREAT | O_WRONLY, 0o644)
            #expect(ftruncate(file, 1 << 40) == 0)
            close(file)
            #expect(throws: SystemError.self) { try TaskUser("web", in: root, of: "a") }
        }
    }
}
