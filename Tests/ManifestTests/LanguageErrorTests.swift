import Manifest
import Testing

/// Every mistake in a file has one message, with its place.
struct LanguageErrorTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        let yaml: String
        let message: String

        init(_ yaml: String, _ message: String) {
            self.yaml = yaml
            self.message = message
        }

        var testDescription: String { message }
    }

    /// Of a whole file.
    static let files: [Mistake] = [
        Mistake("", "f:1:1: the file is empty; it needs the key 'images' or 'features'"),
        Mistake("images: [", "f:2:1: not valid YAML: did not find expected node content"),
        Mistake("- a", "f:1:1: the file must be a mapping with the keys images, features, not a list"),
        Mistake("image: []", "f:1:1: unknown key 'image' in the file; did you mean 'images'? (known: images, features)"),
        Mistake("images: 3", "f:1:9: 'images' must be a list, not '3'"),
        Mistake("images:", "f:1:8: 'images' must be a list, not nothing"),
        Mistake("images: {a: b}", "f:1:9: 'images' must be a list, not a mapping"),
        Mistake("images:\n  - {[a]: b}", "f:2:6: a key of an image must be a text, not a list"),
        Mistake("images:\n  - name:\n    parent: :b", "f:2:10: 'name' must be a text, not nothing"),
        Mistake(
            "features:\n  - {name: a}\n  - {name: a}", "f:3:12: the label '//f:a' is defined twice; the first time at f:2:12"),
        Mistake(
            "features:\n  - {name: a, parent: ':b'}",
            "f:2:15: unknown key 'parent' in a feature set (known: \(setKeys))"
        ),
        Mistake("images: [x]", "f:1:10: an image must be a mapping with the keys \(imageKeys), not 'x'"),
        Mistake("images:\n  - parent: :b", "f:2:5: an image needs the key 'name'"),
        Mistake("images:\n  - name: a/b\n    parent: :b", "f:2:11: 'a/b' can't be a name: use letters, digits, '.', '_' and '-'"),
        Mistake("images:\n  - name: a", "f:2:5: an image needs 'parent' or 'base'"),
        Mistake(
            "images:\n  - name: a\n    parent: :b\n    base: scratch", "f:4:11: an image can't have both 'parent' and 'base'"),
        Mistake(
            "images:\n  - {name: a, base: scratch}\n  - {name: a, base: scratch}",
            "f:3:12: the image '//f:a' is defined twice; the first time at f:2:12"),
        Mistake(
            "images:\n  - {name: a, base: scratch}\nfeatures:\n  - {name: a}",
            "f:4:12: the label '//f:a' is defined twice; the first time at f:2:12"),
        Mistake("images:\n  - {name: a, name: b}", "f:2:15: the key 'name' stands twice in this mapping"),
        Mistake("images: *a", "f:1:9: nothing before this alias has the anchor '&a'"),
        Mistake("images: &a [*a]", "f:1:13: nothing before this alias has the anchor '&a'"),
        Mistake("images: []\n---\nimages: []", "f:2:1: a second document starts here; a file has one"),
        Mistake("images: []\nfeatures: \u{7}", "f:2:11: not valid YAML: control characters are not allowed"),
        Mistake("images: []\r\n\rfeatures: \u{7}", "f:3:11: not valid YAML: control characters are not allowed"),
        Mistake(
            "images: " + String(repeating: "[", count: 100),
            "f:1:72: lists and mappings stand deeper than 64 levels in each other"),
        Mistake(aliases, "f:5:29: the file has more than 100000 values, aliases followed"),
        Mistake(
            "images:\n  - {name: a, parent: b}", "f:2:23: 'b' is not a label; write //folder:name, or :name for one of this file"),
        Mistake("images:\n  - {name: a, base: debian}", "f:2:21: 'base' must be 'scratch' or a mapping, not 'debian'"),
        Mistake("images:\n  - {name: a, base: {}}", "f:2:21: 'base' needs 'debian', 'tarball' or 'oci'"),
        Mistake("images:\n  - {name: a, base: {debian: {}}}", "f:2:30: 'debian' needs the key 'suite'"),
        Mistake(
            "images:\n  - {name: a, base: {debian: {suite: sid, variant: huge}}}",
            "f:2:52: 'variant' must be apt or minimal, not 'huge'"),
        Mistake(
            "images:\n  - {name: a, base: {tarball: {source: r.tar, sha256: abc}}}",
            "f:2:55: 'sha256' must be the 64 lower-case hexadecimal digits of a SHA-256, not 'abc'"),
        Mistake(
            "images:\n  - {name: a, base: scratch, visibility: [org]}",
            "f:2:43: 'org' says of nobody that they may use it; write //folder/... for a folder and those below, or //folder:name"
        ),
        Mistake(
            "images:\n  - {name: a, base: scratch, parameters: [{name: p}, {name: p}]}",
            "f:2:54: the parameter 'p' is declared twice; the first time at f:2:43"),
        Mistake(
            "images:\n  - {name: a, base: scratch, parameters: [P]}",
            "f:2:43: 'P' can't be a parameter's name: use a-z, 0-9 and '_'"),
        Mistake(
            "images:\n  - {name: a, base: scratch, parameters: [{name: p, default: 'a b'}]}",
            "f:2:62: 'a b' can't be a parameter's value: labels hold it, so it has no blanks, ',', '[', ']' or quotes"),
    ]

    /// Each line stands for ten times as many values as the one before.
    private static let aliases =
        (["a: &a [x,x,x,x,x,x,x,x,x,x]"]
        + zip("bcde", "abcd").map { "\($0): &\($0) [\(Array(repeating: "*\($1)", count: 10).joined(separator: ","))]" })
        .joined(separator: "\n")

    private static let setKeys = imageKeys.replacing(/parent, base, |size_budget, |, tests/, with: "")
    private static let imageKeys =
        "name, parent, base, parameters, visibility, use, size_budget, packages, remove_packages, files, directories, symlinks, hardlinks, devices, groups, users, systemd, ssh, remove, clone, extract, tarballs, python, requires, task, run, first_boot, tests"

    @Test(arguments: files) func aMistakeInAFileHasOneMessage(_ mistake: Mistake) {
        let error = #expect(throws: ManifestError.self) { try ImageFile(mistake.yaml, file: "f", folder: "f") }
        #expect(error?.description == mistake.message)
    }

    /// The body of one image; its first line is line 4 of the file, indented by 4.
    static let bodies: [Mistake] = [
        Mistake("size_budget: much", "f:4:18: 'size_budget' must be a size like 64M or 2G, not 'much'"),
        Mistake("pakages: []", "f:4:5: unknown key 'pakages' in an image; did you mean 'packages'? (known: \(imageKeys))"),
        Mistake("packages: curl", "f:4:15: 'packages' must be a list, not 'curl'"),
        Mistake("packages: [Curl]", "f:4:16: 'Curl' is not a Debian package's name (or name=version)"),
        Mistake("packages: ['']", "f:4:16: '' is not a Debian package's name (or name=version)"),
        Mistake("packages: [[a]]", "f:4:16: an entry of 'packages' must be a text, not a list"),
        Mistake("remove_packages: [a=1]", "f:4:23: 'a=1' is not a Debian package's name"),
        Mistake("files: [{text: x}]", "f:4:13: a file needs the key 'path'"),
        Mistake("files: [{path: /a}]", "f:4:13: a file needs 'source', 'text' or 'template'"),
        Mistake("files: [{path: /a, text: x, source: y}]", "f:4:30: a file can't have both 'source' and 'text'"),
        Mistake("files: [{path: a, text: x}]", "f:4:20: 'a' must be an absolute path without '.', '..' or a slash at its end"),
        Mistake(
            "files: [{path: /a/../b, text: x}]",
            "f:4:20: '/a/../b' must be an absolute path without '.', '..' or a slash at its end"),
        Mistake("files: [{path: /a, source: ../x}]", "f:4:32: '../x' must be a path below the folder of this file, without '..'"),
        Mistake("files: [{path: /a, text: x, mode: 9}]", "f:4:39: 'mode' must be octal digits like 0644, not '9'"),
        Mistake(
            "files: [{path: /a, text: x, owner: A}]",
            "f:4:40: 'A' can't be a user's or group's name: use a-z, 0-9, '_' and '-', 32 at most"),
        Mistake("files: [{path: /a, text: x, variables: {a: b}}]", "f:4:44: 'variables' are for a 'template'"),
        Mistake(
            "files: [{path: /a, template: x, variables: {A: b}}]",
            "f:4:49: 'A' can't be a template's variable: use a-z, 0-9 and '_'"),
        Mistake(
            "devices: [{path: /a, type: block, major: 7, minor: 0}]",
            "f:4:15: an image can't have the block device 7:0, only null, zero, full, random, urandom, tty, ptmx and 0:0; a task's own /dev has what it may use"
        ),
        Mistake("devices: [{path: /a, type: pipe, major: 1, minor: 3}]", "f:4:32: 'type' must be char or block, not 'pipe'"),
        Mistake(
            "devices: [{path: /a, type: char, major: x, minor: 3}]",
            "f:4:45: 'major' must be a whole number from 0 to 4095, not 'x'"),
        Mistake("groups: [{name: a, gid: 0}]", "f:4:29: 'gid' must be a whole number from 1 to 65533, not '0'"),
        Mistake("users: [{name: a, shell: 'a:b'}]", "f:4:30: 'shell' can't contain ':' or control characters"),
        Mistake("systemd: {enable: [nginx]}", "f:4:24: 'nginx' is not a unit's name, like hello.service"),
        Mistake("systemd: {units: [{name: a.service}]}", "f:4:23: a unit needs 'text' or 'source'"),
        Mistake("systemd: {units: [{name: a.service, text: x, enable: 1}]}", "f:4:58: 'enable' must be true or false, not '1'"),
        Mistake(
            "systemd: {tmpfiles: [{name: a, text: x}]}", "f:4:33: 'a' is not a configuration file's name, like 10-hello.conf"),
        Mistake("remove: [a]", "f:4:14: 'a' must be an absolute path without '.', '..' or a slash at its end"),
        Mistake("remove: [[]]", "f:4:14: a removal must be a text or a mapping with the keys path, must_exist, not a list"),
        Mistake("clone: [{from: x, path: /a}]", "f:4:20: 'x' is not a label; write //folder:name, or :name for one of this file"),
        Mistake("extract: [{from: ':x'}]", "f:4:15: an extraction needs the key 'programs'"),
        Mistake("tarballs: [{source: a.tar}]", "f:4:16: a tarball needs the key 'to'"),
        Mistake("ssh: [{user: root, keys: [abc]}]", "f:4:31: 'abc' is not a public key, like the line of a file id_ed25519.pub"),
        Mistake("task: {environment: {1A: x}}", "f:4:26: '1A' can't be a variable's name: use letters, digits and '_'"),
        Mistake("task: {environment: [a]}", "f:4:25: 'environment' must be a mapping of names to texts, not a list"),
        Mistake("task: {environment: {A: [x]}}", "f:4:29: 'A' must be a text, not a list"),
        Mistake("task: {command: []}", "f:4:21: 'command' is empty; name a program"),
        Mistake("task: {labels: {'a b': x}}", "f:4:21: 'a b' can't be a label's key: use letters, digits, '.', '_', '-' and '/'"),
        Mistake(
            "task: {stop_signal: KILL}",
            "f:4:25: 'stop_signal' must be SIGTERM or SIGINT or SIGQUIT or SIGHUP or SIGUSR1 or SIGUSR2 or SIGWINCH or SIGKILL, not 'KILL'"
        ),
        Mistake("task: {mounts: [{path: /a}]}", "f:4:21: a mount needs 'host' or 'tmpfs'"),
        Mistake("task: {mounts: [{path: /a, tmpfs: big}]}", "f:4:39: 'tmpfs' must be a size like 64M or 2G, not 'big'"),
        Mistake("run: [{script: x, timeout: 5}]", "f:4:32: 'timeout' must be a duration like 90s, 10m or 2h, not '5'"),
        Mistake(
            "run: [3, {scripts: x}]",
            "f:4:15: unknown key 'scripts' in a step of 'run'; did you mean 'script'? (known: script, outputs, timeout, appliance)"
        ),
        // Conflicts name both places.
        Mistake(
            "files: [{path: /a, text: x}]\n    symlinks: [{path: /a, target: b}]",
            "f:5:16: the path /a is provided twice and differently; the first time at f:4:13"),
        Mistake(
            "files: [{path: /a, text: x}, {path: /a, text: y}]",
            "f:4:34: the path /a is provided twice and differently; the first time at f:4:13"),
        Mistake(
            "remove: [/a]\n    files: [{path: /a, text: x}]", "f:5:13: the path /a is provided here and removed at f:4:14"),
        Mistake(
            "files: [{path: /a, text: x}]\n    remove: [/a]", "f:5:14: the path /a is removed here and provided at f:4:13"),
        Mistake(
            "remove: [/a, {path: /a, must_exist: false}]",
            "f:4:18: the path /a is removed twice and differently; the first time at f:4:14"),
        Mistake(
            "packages: [curl]\n    remove_packages: [curl]", "f:5:23: the package curl is removed here and provided at f:4:16"),
        Mistake(
            "remove_packages: [curl]\n    packages: [curl]", "f:5:16: the package curl is provided here and removed at f:4:23"),
        Mistake(
            "packages: [curl, curl=1]", "f:4:22: the package curl is provided twice and differently; the first time at f:4:16"),
        Mistake(
            "users: [{name: a, uid: 5}, {name: a, uid: 6}]",
            "f:4:32: the user a is provided twice and differently; the first time at f:4:13"),
        Mistake(
            "groups: [{name: a}]\n    users: [{name: a}]",
            "f:5:13: the group a is provided twice and differently; the first time at f:4:14"),
        Mistake(
            "systemd: {enable: [a.service], mask: [a.service]}",
            "f:4:43: the state of the unit a.service is provided twice and differently; the first time at f:4:24"),
        Mistake(
            "task: {mounts: [{path: /a, tmpfs: 1M}, {path: /a, tmpfs: 2M}]}",
            "f:4:44: the mount at /a is provided twice and differently; the first time at f:4:21"),
        Mistake(
            "files: [{path: /a, text: x}, {path: /a/b, text: x}]",
            "f:4:34: the path /a/b lies in /a, which is not a directory but provided at f:4:13"),
        // Cycles too.
        Mistake(
            "hardlinks: [{path: /a, target: /b}, {path: /b, target: /a}]",
            "f:4:17: this needs what is provided at f:4:41, which needs what is provided here"),
        Mistake("hardlinks: [{path: /a, target: /a}]", "f:4:17: this needs what it provides itself"),
        Mistake(
            "hardlinks: [{path: /b/x, target: /c/y}]\n    run: [{script: x, outputs: [/c]}, {script: y, outputs: [/b]}]\n    symlinks: [{path: /c, target: b}]",
            "f:6:16: the path /c is provided twice and differently; the first time at f:5:11"),
    ]

    @Test(arguments: bodies) func aMistakeInAnImageHasOneMessage(_ mistake: Mistake) {
        let error = #expect(throws: ManifestError.self) {
            let file = try ImageFile("images:\n  - name: a\n    base: scratch\n    \(mistake.yaml)", file: "f", folder: "f")
            _ = try TargetReader { _, _, _ in file.definitions[0] }.image(file.definitions[0].label)
        }
        #expect(error?.description == mistake.message)
    }

    @Test func aFileThatIsTooLargeIsRefused() {
        let text = "# " + String(repeating: "x", count: 1 << 20)
        let error = #expect(throws: ManifestError.self) { try ImageFile(text, file: "f", folder: "f") }
        #expect(error?.description == "f:1:1: the file is larger than 1 MiB")
    }
}
