import Manifest
import Testing

struct FeatureOrderTests {
    private func order(_ yaml: String) throws -> [String] {
        let file = try ImageFile("images:\n  - name: a\n    base: scratch\n\(yaml)", file: "f", folder: "")
        let target = try TargetReader { _, _, _ in file.definitions[0] }.image(file.definitions[0].label)
        return target.features.map { feature in
            switch feature.content {
            case .file(let file): file.path
            case .directory(let directory): directory.path
            case .symlink(let link): link.path
            case .removal(let removal): "-\(removal.path)"
            case .tarball(let tarball): "tar \(tarball.destination)"
            case .run(let run): "run \(run.script)"
            case .user(let user): user.name
            case .group(let group): group.name
            default: "?"
            }
        }
    }

    @Test func theOrderInTheFileMeansNothing() throws {
        let one = try order(
            "    files: [{path: /b, text: x}, {path: /a, text: x}]\n    groups: [{name: g}]\n    users: [{name: u, groups: [g]}]\n"
        )
        let other = try order(
            "    users: [{name: u, groups: [g]}]\n    groups: [{name: g}]\n    files: [{path: /a, text: x}, {path: /b, text: x}]\n"
        )
        #expect(one == other)
        #expect(one == ["g", "u", "/a", "/b"])
    }

    @Test func whatLiesInAnotherFeaturesPathComesAfterIt() throws {
        #expect(
            try order("    symlinks: [{path: /opt/current, target: v1}]\n    files: [{path: /opt/current/x, text: x}]\n")
                == ["/opt/current", "/opt/current/x"])
        #expect(
            try order(
                "    tarballs: [{source: a.tar, to: /opt/a}]\n    remove: [/opt/a/doc, /old]\n    files: [{path: /opt/a/doc/x, text: x}]\n"
            )
                == ["-/old", "tar /opt/a", "-/opt/a/doc", "/opt/a/doc/x"])
    }

    @Test func stepsKeepTheirOrderAndGoLastButForWhatNeedsTheirOutputs() throws {
        #expect(
            try order("    run: [z, {script: a, outputs: [/x]}, b]\n    files: [{path: /x/y, text: x}, {path: /q, text: x}]\n")
                == ["/q", "run z", "run a", "/x/y", "run b"])
    }
}
