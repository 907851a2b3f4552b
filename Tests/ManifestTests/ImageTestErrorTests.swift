import Manifest
import Testing

/// Every mistake in an image's tests has one message, with its place.
struct ImageTestErrorTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        let yaml: String
        let message: String

        init(_ yaml: String, _ message: String) {
            self.yaml = yaml
            self.message = message
        }

        var testDescription: String { message }
    }

    private static let testKeys = "name, commands, boot, files, packages, users, groups, size_budget, changes"
    private static let commandKeys = "command, script, user, timeout, exit_code, stdout, stderr"
    private static let fileKeys = "path, absent, type, mode, owner, group, target, content"

    /// The list of tests of one image; its first line is line 5 of the file.
    static let lists: [Mistake] = [
        Mistake("x", "f:5:7: 'tests' must be a list, not 'x'"),
        Mistake("[x]", "f:5:8: a test must be a mapping with the keys \(testKeys), not 'x'"),
        Mistake("[{files: [/a]}]", "f:5:8: a test needs the key 'name'"),
        Mistake("[{name: a b, files: [/a]}]", "f:5:15: 'a b' can't be a name: use letters, digits, '.', '_' and '-'"),
        Mistake(
            "[{name: t}]",
            "f:5:8: a test needs one of the keys commands, boot, files, packages, users, groups, size_budget, changes"),
        Mistake(
            "[{name: t, comands: []}]",
            "f:5:18: unknown key 'comands' in a test; did you mean 'commands'? (known: \(testKeys))"),
        Mistake(
            "[{name: t, files: [/a]}, {name: t, files: [/b]}]",
            "f:5:39: the test 't' of //f:a is there twice; the first time at f:5:15"),
        Mistake("[{name: t, name: u}]", "f:5:18: the key 'name' stands twice in this mapping"),
    ]

    /// One test without its name; its first line is line 6 of the file.
    static let tests: [Mistake] = [
        Mistake("commands: [{user: root}]", "f:6:20: a command of a test needs 'command' or 'script'"),
        Mistake(
            "commands: [{command: [a], script: b}]", "f:6:43: a command of a test can't have both 'command' and 'script'"),
        Mistake("commands: [{command: a}]", "f:6:30: 'command' must be a list, not 'a'"),
        Mistake("commands: [{command: []}]", "f:6:30: 'command' is empty; name a program"),
        Mistake(
            "commands: [[]]",
            "f:6:20: a command of a test must be a text or a mapping with the keys \(commandKeys), not a list"),
        Mistake(
            "commands: [{script: a, exit: 1}]",
            "f:6:32: unknown key 'exit' in a command of a test (known: \(commandKeys))"),
        Mistake(
            "commands: [{script: a, exit_code: 256}]",
            "f:6:43: 'exit_code' must be a whole number from 0 to 255, not '256'"),
        Mistake(
            "commands: [{script: a, timeout: 5}]", "f:6:41: 'timeout' must be a duration like 90s, 10m or 2h, not '5'"),
        Mistake(
            "commands: [{script: a, user: A}]",
            "f:6:38: 'A' can't be a user's or group's name: use a-z, 0-9, '_' and '-', 32 at most"),
        Mistake(
            "commands: [{script: a, stdout: hello}]",
            "f:6:40: an expected text must be a mapping with the keys equals, contains, lacks, matches, not 'hello'"),
        Mistake(
            "commands: [{script: a, stdout: {}}]",
            "f:6:40: an expected text needs one of the keys equals, contains, lacks, matches"),
        Mistake("commands: [{script: a, stderr: {contains: b}}]", "f:6:51: 'contains' must be a list, not 'b'"),
        Mistake(
            "commands: [{script: a, stdout: {matches: ['(']}}]",
            "f:6:51: '(' is not a regular expression: expected ')'"),
        Mistake("boot: [a]", "f:6:15: 'boot' must be a mapping with the keys units, timeout, not a list"),
        Mistake("boot: {units: [nginx]}", "f:6:24: 'nginx' is not a unit's name, like hello.service"),
        Mistake(
            "boot: {units: [a.service, a.service]}",
            "f:6:35: the unit 'a.service' of this test is there twice; the first time at f:6:24"),
        Mistake("boot: {timeout: x}", "f:6:25: 'timeout' must be a duration like 90s, 10m or 2h, not 'x'"),
        Mistake("files: [a]", "f:6:17: 'a' must be an absolute path without '.', '..' or a slash at its end"),
        Mistake("files: [{type: file}]", "f:6:17: an expected file needs the key 'path'"),
        Mistake(
            "files: [{path: /a, type: link}]",
            "f:6:34: 'type' must be file or directory or symlink or char or block or fifo or socket, not 'link'"),
        Mistake(
            "files: [{path: /a, exists: false}]", "f:6:28: unknown key 'exists' in an expected file (known: \(fileKeys))"),
        Mistake("files: [{path: /a, mode: rw}]", "f:6:34: 'mode' must be octal digits like 0644, not 'rw'"),
        Mistake(
            "files: [{path: /a, absent: true, mode: '0644'}]",
            "f:6:48: an expected file that must be absent can't have 'mode'"),
        Mistake(
            "files: [/a, {path: /a, absent: true}]",
            "f:6:21: the file '/a' of this test is there twice; the first time at f:6:17"),
        Mistake("packages: [Curl]", "f:6:20: 'Curl' is not a Debian package's name (or name=version)"),
        Mistake(
            "packages: [{name: curl=1, absent: true}]",
            "f:6:27: an expected package that must be absent can't have a version"),
        Mistake(
            "packages: [curl, curl=1]", "f:6:26: the package 'curl' of this test is there twice; the first time at f:6:20"),
        Mistake("users: [{name: a, uid: 70000}]", "f:6:32: 'uid' must be a whole number from 0 to 65533, not '70000'"),
        Mistake(
            "users: [{name: a, absent: true, uid: 5}]", "f:6:46: an expected user that must be absent can't have 'uid'"),
        Mistake("users: [a, a]", "f:6:20: the user 'a' of this test is there twice; the first time at f:6:17"),
        Mistake("groups: [{name: a, absent: 1}]", "f:6:36: 'absent' must be true or false, not '1'"),
        Mistake(
            "groups: [{name: a, absent: true, gid: 5}]", "f:6:47: an expected group that must be absent can't have 'gid'"),
        Mistake("groups: [a, a]", "f:6:21: the group 'a' of this test is there twice; the first time at f:6:18"),
        Mistake("size_budget: small", "f:6:22: 'size_budget' must be a size like 64M or 2G, not 'small'"),
        Mistake("changes: [etc]", "f:6:19: 'etc' must be an absolute path without '.', '..' or a slash at its end"),
        Mistake("changes: [/a, /a]", "f:6:23: the path '/a' of 'changes' is there twice; the first time at f:6:19"),
    ]

    private func message(_ yaml: String, origin: String = "parent: :b") -> String? {
        #expect(throws: ManifestError.self) {
            let file = try ImageFile("images:\n  - name: a\n    \(origin)\n\(yaml)", file: "f", folder: "f")
            _ = try TargetReader { _, _, _ in file.definitions[0] }.image(file.definitions[0].label)
        }?.description
    }

    @Test(arguments: lists) func aMistakeInTheListHasOneMessage(_ mistake: Mistake) {
        #expect(message("    tests:\n      \(mistake.yaml)") == mistake.message)
    }

    @Test(arguments: tests) func aMistakeInATestHasOneMessage(_ mistake: Mistake) {
        #expect(message("    tests:\n      - name: t\n        \(mistake.yaml)") == mistake.message)
    }

    @Test func anImageWithoutParentHasNothingToDifferFrom() {
        #expect(
            message("    tests: [{name: t, changes: [/a]}]", origin: "base: scratch")
                == "f:4:32: 'changes' are those to the parent, and this image has none")
    }
}
