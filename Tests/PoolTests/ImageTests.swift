import Fixtures
import FoundationEssentials
import Linux
import Testing

/// One line of what `dish image test --json` prints.
struct TestRow: Decodable {
    struct Failure: Decodable {
        let place: String
        let expected: String
        let seen: String
    }

    let label: String
    let test: String
    let passed: Bool
    let recorded: Bool
    let failures: [Failure]
    let output: String

    /// As people see them.
    var messages: [String] { failures.map { "\($0.place): expected \($0.expected), but \($0.seen)" } }
}

extension Outcome {
    /// Of `dish image test --json`, by label and name.
    func tests() throws -> [String: TestRow] {
        let rows = try JSONDecoder().decode([TestRow].self, from: Data(output.utf8))
        return Dictionary(uniqueKeysWithValues: rows.map { ("\($0.label) \($0.test)", $0) })
    }
}

/// `dish image test` on real trees, sandboxes and boots.
@Suite(.requiresRoot)
struct ImageTests {
    /// A workspace with one image on `//os:base`, whose tests begin in line 5.
    func workspace(_ tests: String, features: String = "") throws -> TestWorkspace {
        let workspace = try TestWorkspace()
        let indented = tests.split(separator: "\n").map { "      \($0)" }.joined(separator: "\n")
        try workspace.write(
            "tested/IMAGES.yaml",
            "images:\n  - name: app\n    parent: //os:base\n    tests:\n\(indented)\n\(features)\n")
        return workspace
    }

    @Test(arguments: ["web", "features"]) func theExamplesPassTheirTestsAndLeaveNothing(_ example: String) async throws {
        let host = try await SharedPool.shared.host()
        let folder = "\(Programs.repository)/examples/\(example)"
        #expect(try await host.dish("image", "build", "//...", in: folder).code == 0)
        let report = "\(try Scratch.make("junit"))/results.xml"
        let before = try Inventory(pool: #require(host.pool), of: host)
        let tested = try await host.dish("image", "test", "--rerun", "--json", "--junit", report, in: folder)
        try #require(tested.code == 0, "\(tested)")
        #expect(try Inventory(pool: #require(host.pool), of: host).beyond(before) == [])
        let rows = try tested.tests()
        #expect(rows.values.allSatisfy { $0.passed && !$0.recorded })
        let names =
            example == "web"
            ? ["//os:base boots", "//org:base logs-in", "//web:app page", "//web:app serves"]
            : [
                "//app:app files", "//app:app commands", "//app:app boots", "//os:tools adds-only-its-package",
                "//bases:static runs",
            ]
        #expect(Set(names).isSubset(of: rows.keys))
        let document = try JUnitDocument(report)
        #expect(Set(document.cases) == Set(rows.keys))
        #expect(document.failures == [])
    }

    @Test func everyKindOfExpectationSaysWhatWasExpectedAndWhatThereIs() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try workspace(
            """
            - name: files
              files: [/none, {path: /etc/passwd, absent: true}, {path: /etc, type: file, mode: "0700", owner: daemon, group: "7"}]
            - name: content
              files:
                - {path: /etc/made, content: {equals: other, contains: [two, absent], lacks: [one], matches: ["^x"]}}
                - {path: /etc, content: {contains: [a]}}
                - {path: /etc/empty, content: {contains: [a]}}
            - name: link
              files: [{path: /srv/link, target: other}, {path: /etc, target: other}]
            - name: packages
              packages: [systemd=1, nginx, {name: dpkg, absent: true}]
            - name: users
              users: [nobody-here, {name: daemon, absent: true}, {name: made, uid: 1, groups: [made, adm], home: /, shell: /bin/zsh}]
            - name: groups
              groups: [nobody-here, {name: daemon, absent: true}, {name: adm, gid: 7}]
            - name: size
              size_budget: 1M
            - name: changes
              changes: [/etc/made, /home]
            - name: code
              commands: [exit 0, "echo out; echo err >&2; exit 7", exit 1]
            - name: stdout
              commands: [{script: "echo out", stdout: {equals: out}, stderr: {contains: [err]}}]
            - name: timeout
              commands: [{script: "echo begun; sleep 100", timeout: 1s}]
            - name: program
              commands: [{command: [/no/program]}]
            - name: user
              commands: [{script: "true", user: stranger}]
            """,
            features: """
                    files: [{path: /etc/made, text: "one\\ntwo\\n"}, {path: /etc/empty, text: ""}]
                    symlinks: [{path: /srv/link, target: elsewhere}]
                    users: [{name: made, uid: 4321}]
                """)
        let report = "\(try Scratch.make("junit"))/results.xml"
        let tested = try await host.dish("image", "test", "//tested:app", "--json", "--junit", report, in: workspace.path)
        #expect(tested.code == 1)
        let rows = try tested.tests()
        let document = try JUnitDocument(report)
        #expect(Set(document.cases) == Set(rows.keys))
        // A message is the first line of what is shown.
        let firsts = rows.values.flatMap(\.messages).map { String($0.prefix { $0 != "\n" }) }
        #expect(document.failures.sorted() == firsts.sorted())
        func messages(_ test: String) throws -> [String] {
            try #require(rows["//tested:app \(test)"], "\(tested)").messages.map { $0.replacing("tested/IMAGES.yaml:", with: "") }
        }
        #expect(
            try messages("files") == [
                "6:17: expected a file at /none, but there is nothing",
                "6:24: expected nothing at /etc/passwd, but there is a file",
                "6:59: expected the type of /etc to be file, but it is directory",
                "6:59: expected the mode of /etc to be 0700, but it is 0755",
                "6:59: expected the owner of /etc to be daemon, but it is root",
                "6:59: expected the group of /etc to be 7, but it is 0",
            ])
        #expect(
            try messages("content") == [
                "9:13: expected the content of /etc/made, which must equal 'other', but it is:\n  | one\n  | two",
                "9:13: expected the content of /etc/made, which must contain 'absent', but it is:\n  | one\n  | two",
                "9:13: expected the content of /etc/made, which must not contain 'one', but it is:\n  | one\n  | two",
                "9:13: expected the content of /etc/made, which must match '^x', but it is:\n  | one\n  | two",
                "10:13: expected content at /etc, but it leads to no regular file",
                "11:13: expected the content of /etc/empty, which must contain 'a', but it is empty",
            ])
        #expect(
            try messages("link") == [
                "13:17: expected the target of /srv/link to be other, but it is elsewhere",
                "13:51: expected the target of /etc to be other, but it is no symlink but a directory",
            ])
        let systemd = try #require(try messages("packages").first)
        #expect(systemd.hasPrefix("15:20: expected the package systemd in version 1, but version 252."), "\(systemd)")
        #expect(try messages("packages").dropFirst().first == "15:31: expected the package nginx, but it isn't installed")
        #expect(try messages("packages").last?.hasPrefix("15:38: expected no package dpkg, but version 1.") == true)
        #expect(
            try messages("users") == [
                "17:17: expected the user nobody-here, but there is none",
                "17:30: expected no user daemon, but there is one, with uid 1",
                "17:60: expected the uid of the user made to be 1, but it is 4321",
                "17:60: expected the home directory of the user made to be /, but it is /home/made",
                "17:60: expected the shell of the user made to be /bin/zsh, but it is /bin/sh",
                "17:60: expected the user made to belong to the group adm, but it belongs to made",
            ])
        #expect(
            try messages("groups") == [
                "19:18: expected the group nobody-here, but there is none",
                "19:31: expected no group daemon, but there is one, with gid 1",
                "19:61: expected the gid of the group adm to be 7, but it is 4",
            ])
        let size = try messages("size")
        #expect(size.count == 1 && size[0].hasPrefix("21:22: expected 1 MiB of files at most, but there are "), "\(size)")
        let changes = try messages("changes")
        #expect(changes.count == 1)
        #expect(
            changes[0].hasPrefix("23:18: expected no difference from the parent but at /etc/made, /home, but there are others:\n")
        )
        #expect(changes[0].contains("\n  | added /srv/link") && changes[0].contains("\n  | changed /etc/passwd content"))
        #expect(!changes[0].contains("added /home"))
        let code = try messages("code")
        #expect(
            code == [
                "25:28: expected 'echo out; echo err >&2; exit 7' to end with exit code 0, but it ended with exit code 7; it printed:\n  | err"
            ])
        let stdout = try messages("stdout")
        #expect(
            stdout == [
                "27:20: expected the standard output of 'echo out', which must equal 'out', but it is:\n  | out",
                "27:20: expected the standard error of 'echo out', which must contain 'err', but it is empty",
            ])
        #expect(
            try messages("timeout") == [
                "29:20: expected 'echo begun; sleep 100' to end within 1 s, but it ran on and was ended"
            ])
        #expect(rows["//tested:app timeout"]?.output == "$ echo begun; sleep 100\nbegun\n")
        let program = try messages("program")
        #expect(program.count == 1)
        #expect(program[0].hasPrefix("31:20: expected '/no/program' to end with exit code 0, but it ended with exit code "))
        let user = try messages("user")
        #expect(user.count == 1 && user[0].contains("stranger"), "\(user)")
        // What a person sees.
        #expect(tested.errors.contains("//tested:app stdout: FAILED in "))
        #expect(tested.errors.contains("  tested/IMAGES.yaml:27:20: expected the standard error of"))
        #expect(tested.errors.hasSuffix("13 tests: 0 passed, 13 failed\n"), "\(tested)")
    }

    @Test func aTestCannotUseMoreMemoryThanItMay() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try workspace(
            """
            - {name: alone, commands: ["perl -e '$x = q(x) x 400000000' || true"]}
            - {name: fine, commands: ["perl -e '$x = q(x) x 40000000'"]}
            - {name: booted, boot: {}, commands: ["perl -e '$x = q(x) x 400000000' || true"]}
            """)
        let tested = try await host.dish("image", "test", "//tested:app", "--json", "--memory", "250M", in: workspace.path)
        #expect(tested.code == 1)
        let rows = try tested.tests()
        for (name, place) in [("alone", "5:16"), ("booted", "7:30")] {
            #expect(
                rows["//tested:app \(name)"]?.messages.last
                    == "tested/IMAGES.yaml:\(place): expected 250 MiB of memory to be enough, but that limit was reached, and something was killed; give it more: --memory SIZE",
                "\(tested)")
        }
        #expect(rows["//tested:app fine"]?.passed == true, "\(tested)")
    }

    @Test func aTestCannotFillThePool() async throws {
        let shared = try await SharedPool.shared.path()
        let host = try TestHost()
        let path = try Scratch.make("small") + "/pool"
        #expect(try await host.dish("pool", "create", path, "--size", "900M").code == 0)
        let copied = try await Command("/bin/cp", ["--recursive", "--preserve", "\(shared)/cache", path]).run()
        try #require(copied.status.isSuccess, "\(copied.errorText)")
        let workspace = try workspace("- {name: fills, commands: [head -c 2G /dev/urandom > /srv/all]}")
        let tested = try await host.dish("image", "test", "//tested:app", "--json", "--pool", path, in: workspace.path)
        #expect(tested.code == 1)
        let message = try #require(try tested.tests()["//tested:app fills"]?.messages.first, "\(tested)")
        #expect(message.contains("Disk quota exceeded"), "\(message)")
        #expect(try Files.list("\(path)/staging") == [])
        #expect(try await host.dish("pool", "destroy", path, "--yes").code == 0)
    }

    @Test func anImageWithoutInitDoesNotBoot() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write(
            "tested/IMAGES.yaml",
            """
            images:
              - name: app
                base: scratch
                directories: [{path: /proc}, {path: /sys}, {path: /dev}, {path: /run}, {path: /usr/bin}, {path: /tmp}]
                tests: [{name: boots, boot: {}}]
            """)
        let tested = try await host.dish("image", "test", "//tested:app", "--json", in: workspace.path)
        let message = try #require(try tested.tests()["//tested:app boots"]?.messages.first)
        #expect(
            message.hasPrefix("tested/IMAGES.yaml:5:33: expected the image to boot, but it ended with exit code 1"), "\(message)")
    }

    @Test func testsSeeNothingOfTheHostAndOfEachOther() async throws {
        let host = try await SharedPool.shared.host()
        let script =
            "test ! -e /srv/trace; touch /srv/trace; ls /sys/class/net; hostname; id -u; test ! -e \(Programs.repository)"
        let inside = #"{script: "\#(script)", stdout: {equals: "lo\nbuild\n0\n"}}"#
        let workspace = try workspace(
            """
            - {name: first, commands: [\(inside)]}
            - {name: second, commands: [\(inside)]}
            - {name: third, boot: {}, commands: [\(inside)]}
            - {name: fourth, boot: {}, commands: [\(inside)]}
            """)
        let tested = try await host.dish("image", "test", "//tested:app", "--json", in: workspace.path)
        #expect(tested.code == 0, "\(tested)")
        let shown = try await host.dish("image", "shell", "//tested:app", "--", "/bin/ls", "/srv")
        #expect(shown.output == "", "\(shown)")
    }

    @Test func aPassedTestRunsAgainOnlyWhenItOrTheImageChangesAndAChangedTestBuildsNothing() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try workspace("- {name: one, commands: [\"true\"]}\n- {name: two, commands: [test -e /etc/flag]}")
        func test(_ arguments: String...) async throws -> (Outcome, [String: TestRow]) {
            let tested = try await host.dish(
                arguments: ["image", "test", "//tested:app", "--json"] + arguments, in: workspace.path)
            return (tested, try tested.tests())
        }
        var (outcome, rows) = try await test()
        #expect(rows["//tested:app one"]?.passed == true && rows["//tested:app two"]?.passed == false)
        (outcome, rows) = try await test()
        #expect(rows["//tested:app one"]?.recorded == true && rows["//tested:app two"]?.recorded == false)
        #expect(outcome.errors.contains("//tested:app one: passed before\n"), "\(outcome)")
        #expect(outcome.errors.hasSuffix("2 tests: 1 passed (1 of them before), 1 failed\n"), "\(outcome)")
        (outcome, rows) = try await test("--rerun", "--filter", "app one")
        #expect(outcome.code == 0 && rows.count == 1 && rows["//tested:app one"]?.recorded == false)

        // Another place and a comment change nothing, another command does; neither builds.
        let text = try Files.readText("\(workspace.path)/tested/IMAGES.yaml")
        try workspace.write("tested/IMAGES.yaml", "# moved\n\(text)")
        (outcome, rows) = try await test()
        #expect(rows["//tested:app one"]?.recorded == true)
        try workspace.write("tested/IMAGES.yaml", text.replacing("[\"true\"]", with: "[\"true\", \"true\"]"))
        (outcome, rows) = try await test()
        #expect(rows["//tested:app one"]?.recorded == false)
        #expect(outcome.errors.contains("//tested:app: unchanged"), "\(outcome)")
        // A change of the image does.
        try workspace.write("tested/IMAGES.yaml", "\(text)    files: [{path: /etc/flag, text: x}]\n")
        (outcome, rows) = try await test()
        #expect(outcome.code == 0 && rows.values.allSatisfy { $0.passed && !$0.recorded }, "\(outcome)")
    }

    @Test func anImageThatChangesNothingHasNoChanges() async throws {
        let host = try await SharedPool.shared.host()
        // Its layer is its parent's.
        let workspace = try workspace("- {name: nothing, changes: []}")
        let tested = try await host.dish("image", "test", "//tested:app", in: workspace.path)
        #expect(tested.code == 0, "\(tested)")
    }

    @Test func whatCannotBeTestedIsAnErrorAndNotASuccess() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try workspace("- {name: one, commands: [\"true\"]}")
        func errors(_ arguments: String...) async throws -> String {
            let outcome = try await host.dish(arguments: ["image", "test"] + arguments, in: workspace.path)
            return "\(outcome.code) \(outcome.errors)"
        }
        #expect(
            try await errors("//tested:app", "--filter", "two")
                == "1 dish: there is no test that contains 'two' in //tested:app; write some under 'tests'\n")
        #expect(try await errors("//os:none").hasPrefix("1 dish: there is no image '//os:none'"))
        #expect(try await errors("-j", "0").hasPrefix("2 "))
        try workspace.write(
            "tested/IMAGES.yaml",
            "images:\n  - name: app\n    parent: //os:base\n    run: [exit 4]\n    tests: [{name: one, files: [/etc]}]\n")
        let failed = try await errors("//tested:app")
        #expect(failed.hasPrefix("1 ") && failed.contains("//tested:app: FAILED: ") && !failed.contains("tests:"), "\(failed)")
    }
}
