import Manifest
import Testing

/// Each mistake in an IMAGES.yaml file: its place and what is said about it.
@Suite struct ImageFileErrorTests {
    private func error(_ text: String) -> String? {
        do {
            _ = try ImageFile(text, file: "web/IMAGES.yaml", folder: "web")
            return nil
        } catch {
            return error.description
        }
    }

    /// One image with a further key.
    private func image(_ rest: String) -> String { "images:\n  - name: app\n    parent: //os:base\n    \(rest)\n" }

    @Test func aPlainFileIsRead() throws {
        #expect(error(image("packages: [nginx]")) == nil)
    }

    @Test(arguments: [
        ("", "web/IMAGES.yaml:1:1: the file is empty; it needs the key 'images'"),
        ("# nothing\n", "web/IMAGES.yaml:1:1: the file is empty; it needs the key 'images'"),
        ("images: [", "web/IMAGES.yaml:2:1: not valid YAML: did not find expected node content"),
        ("images:\n\t- a", "web/IMAGES.yaml:2:1: not valid YAML: found character that cannot start any token"),
        ("images: []\nimages: []\n", "web/IMAGES.yaml:1:1: the key 'images' stands twice in this mapping"),
        ("images: *nowhere\n", "web/IMAGES.yaml:1:9: not valid YAML: found undefined alias"),
        ("- a\n", "web/IMAGES.yaml:1:1: the file must be a mapping with the keys images, not a list"),
    ])
    func whatIsNoYAMLIsRefused(_ text: String, _ expected: String) {
        #expect(error(text) == expected)
    }

    @Test(arguments: [
        ("images:\n  name: app\n", "web/IMAGES.yaml:2:3: 'images' must be a list, not a mapping"),
        ("images:\n  - app\n", "web/IMAGES.yaml:2:5:"),
        ("images:\n  - parent: //a:b\n", "web/IMAGES.yaml:2:5: an image needs the key 'name'"),
        ("images:\n  - name: [a]\n", "web/IMAGES.yaml:2:11: 'name' must be a string, not a list"),
        ("images:\n  - name:\n", "web/IMAGES.yaml:2:10: 'name' must be a string, not nothing"),
        (
            "images:\n  - name: a/b\n",
            "web/IMAGES.yaml:2:11: 'a/b' can't be an image's name: use letters, digits, '.', '_' and '-'"
        ),
        ("images:\n  - name: app\n", "web/IMAGES.yaml:2:11: an image needs either 'parent' (another image) or 'base'"),
        ("images:\n  - name: app\n    parent: base\n", "web/IMAGES.yaml:3:13: 'base' is not a label;"),
        (
            "images:\n  - {name: a, parent: //b:c}\n  - {name: b, parent: //b:c}\n  - {name: a, parent: //b:c}\n",
            "web/IMAGES.yaml:4:12: the image '//web:a' is defined twice; the first time at web/IMAGES.yaml:2:12"
        ),
    ])
    func whatIsNoImageIsRefused(_ text: String, _ expected: String) {
        #expect(error(text)?.hasPrefix(expected) == true, "\(error(text) ?? "no error")")
    }

    @Test(arguments: [
        ("pakages: [nginx]", "4:5: unknown key 'pakages' in an image; did you mean 'packages'?"),
        ("colour: blue", "4:5: unknown key 'colour' in an image (known: "),
        ("packages: nginx", "4:15: 'packages' must be a list, not 'nginx'"),
        ("packages: [Nginx]", "4:16: 'Nginx' is not a Debian package's name"),
        ("packages: [nginx, -oDir]", "4:23: '-oDir' is not a Debian package's name"),
        ("files: [{path: /a}]", "4:13:"), ("files: [{path: a, text: x}]", "4:20: 'a' must be an absolute path"),
        ("files: [{path: /a/../b, text: x}]", "4:20: '/a/../b' must be an absolute path"),
        ("files: [{path: /a, text: x, mode: 0999}]", "4:39: 'mode' must be octal digits like 0644, not '0999'"),
        ("files: [{path: /a, source: ../x}]", "4:32: '../x' must be a path below the folder of this file"),
        ("files: [{path: /a, source: /x}]", "4:32: '/x' must be a path below the folder of this file"),
        (
            "files: [{path: /a, text: x}, {path: /a, text: y}]",
            "4:34: the path /a is provided twice; the first time at web/IMAGES.yaml:4:13"
        ),
        ("users: [{name: \"a:b\"}]", "4:20: 'a:b' can't be a user's or group's name"),
        ("users: [{name: a, shell: \"/bin/sh:x\"}]", "4:30: 'shell' can't contain ':' or control characters"),
        ("users: [{name: a, comment: \"x\\ny\"}]", "4:32: 'comment' can't contain ':' or control characters"),
        ("users: [{name: a, uid: 0}]", "4:28: 'uid' must be a whole number from 1 to 65533, not '0'"),
        ("systemd: {enable: [nginx]}", "4:24: 'nginx' is not a unit's name, like hello.service"),
        ("systemd: {enable: [../x.service]}", "4:24: '../x.service' is not a unit's name, like hello.service"),
    ])
    func whatIsNoFeatureIsRefused(_ feature: String, _ expected: String) {
        let text = error(image(feature))
        #expect(text?.hasPrefix("web/IMAGES.yaml:\(expected)") == true, "\(text ?? "no error")")
    }

    @Test func aFileThatIsTooLargeIsRefused() {
        let text = "# " + String(repeating: "x", count: 1 << 20)
        #expect(error(text) == "web/IMAGES.yaml:1:1: the file is larger than 1 MiB")
    }
}
