import DebianPackages
import FoundationEssentials
import Layers
import Linux
import Manifest
import Testing

@testable import Builder

@Suite struct ActionKeyTests {
    private let parent = LayerID(String(repeating: "0", count: 64))

    /// The only image of a file's text.
    private func target(_ yaml: String) throws -> ImageTarget {
        let file = try ImageFile(yaml, file: "IMAGES.yaml", folder: "")
        return try TargetReader { _, _, _ in file.definitions[0] }.image(file.definitions[0].label)
    }

    /// The key of `//:x` on a parent.
    private func key(_ features: String, parent: LayerID?, files: [String: String] = [:]) throws -> String {
        let yaml = "images:\n  - name: x\n    parent: //os:base\n\(features)"
        return try withWorkspace(files) { workspace in
            let target = try target(yaml)
            return try ActionKey(
                target, layers: parent.map { [Label("//os:base")!: $0] } ?? [:], packages: [],
                inputs: BuildInputs(target, in: workspace)
            ).hex
        }
    }

    private let full = """
            files:
              - {path: /a, text: one}
              - {path: /b, text: two, mode: "0600"}
            directories: [{path: /d}, {path: /e}]
            symlinks: [{path: /l, target: a}]
            run: [first, second]

        """

    @Test func testsMeanNothing() throws {
        let tests = "    tests: [{name: t, files: [/a], boot: {units: [x.service]}, commands: [exit 1]}]\n"
        #expect(try key(full + tests, parent: parent) == key(full, parent: parent))
    }

    @Test func layoutCommentsAndTheOrderOfFeaturesMeanNothing() throws {
        let other = """
                # a comment
                run:
                  - first
                  - second # another
                symlinks:
                  - target: a
                    path: /l
                directories: [{path: /e}, {path: /d}]
                files:
                  - path: /b
                    mode: "0600"
                    text: "two"
                  - {path: /a, text: one}

            """
        let (first, second) = (try key(full, parent: parent), try key(other, parent: parent))
        #expect(first == second)
        #expect(first.utf8.count == 64)
    }

    @Test func eachInputChangesTheKey() throws {
        var seen = [try key(full, parent: parent)]
        let changes = [
            ("text: one", "text: One"), ("path: /a", "path: /A"), ("0600", "0640"), ("0600\"", "0600\", owner: \"1\""),
            ("0600\"", "0600\", group: \"1\""), ("{path: /d}", "{path: /d, mode: \"0700\"}"), ("{path: /d}, ", ""),
            ("target: a", "target: b"), ("[first, second]", "[second, first]"), ("[first, second]", "[\"first, second\"]"),
            ("[first, second]", "[first]"),
        ]
        for (old, new) in changes {
            #expect(full.contains(old))
            let changed = try key(full.replacing(old, with: new), parent: parent)
            #expect(!seen.contains(changed), "\(old) -> \(new)")
            seen.append(changed)
        }
        let onAnother = try key(full, parent: LayerID(String(repeating: "1", count: 64)))
        #expect(!seen.contains(onAnother))
    }

    @Test func theKeyOfPackagesDependsOnThemAndOnWhatTheyAreInstalledOn() throws {
        func package(_ name: String, sha256: String = "0") throws -> LockedPackage {
            let text = """
                {"name": "\(name)", "version": "1", "architecture": "all", "path": "pool/\(name)", "size": 1, "sha256": "\(sha256)",
                 "isAutomatic": false, "isEssential": false}
                """
            return try JSONDecoder().decode(LockedPackage.self, from: Data(text.utf8))
        }
        func key(_ features: String, _ packages: [LockedPackage], on parent: LayerID?) throws -> String? {
            let target = try target("images:\n  - name: x\n    parent: //os:base\n\(features)")
            return try ActionKey(packagesOf: target, on: parent, packages: packages)?.hex
        }
        let one = try key(full, [package("a")], on: parent)
        #expect(try key("", [package("a")], on: parent) == one)
        let others = [
            try key(full, [package("a"), package("b")], on: parent), try key(full, [package("a", sha256: "1")], on: parent),
            try key(full, [package("a")], on: LayerID(String(repeating: "1", count: 64))),
        ]
        #expect(Set(others + [one]).count == 4)
        #expect(try key(full, [], on: parent) == nil)
    }

    @Test func theContentOfASourceCounts() throws {
        let feature = "    files: [{path: /a, source: one}]\n"
        let one = try key(feature, parent: parent, files: ["one": "content"])
        #expect(try key(feature, parent: parent, files: ["one": "content"]) == one)
        #expect(try key(feature, parent: parent, files: ["one": "Content"]) != one)
    }

    @Test(arguments: [
        ("none", "the source file '%/none' doesn't exist"),
        ("folder", "the source '%/folder' is a directory; name its files one by one"),
        ("out", "the source '%/out' leads out of the folder of this file"),
    ])
    func aSourceThatCannotBeReadIsNamedWithItsPlace(_ source: String, _ message: String) throws {
        try withWorkspace(["folder/file": ""]) { workspace in
            try Command("/bin/ln", ["-s", "/etc/passwd", "\(workspace.root)/out"]).runBlockingOrThrow()
            let yaml = "images:\n  - name: x\n    parent: //os:base\n    files: [{path: /a, source: \(source)}]\n"
            let target = try target(yaml)
            let error = #expect(throws: ManifestError.self) { try BuildInputs(target, in: workspace) }
            #expect(error?.description == "IMAGES.yaml:4:32: \(message.replacing("%", with: workspace.root))")
        }
    }
}

extension Command {
    fileprivate func runBlockingOrThrow() throws {
        let result = try runBlocking()
        #expect(result.status.isSuccess, "\(result.errorText)")
    }
}
