import DebianPackages
import Linux
import Manifest
import Testing

@testable import Builder

/// What is said of images before anything is downloaded or unpacked.
@Suite struct TargetCheckTests {
    /// What is wrong with the last image of a file; nil when nothing is known to be.
    private func fault(_ images: String) throws -> String? {
        try withWorkspace(["IMAGES.yaml": "images:\n\(images)"]) { workspace -> String? in
            let targets = try workspace.targets([try #require(try workspace.allLabels().last)])
            do {
                try TargetCheck.check(targets)
                return nil
            } catch {
                return (error as? ManifestError)?.message
            }
        }
    }

    private func scratch(_ features: String) throws -> String? {
        try fault("  - name: x\n    base: scratch\n" + features.split(separator: "\n").map { "    \($0)\n" }.joined())
    }

    @Test(arguments: [
        "files: [{path: /a, text: a, owner: root, group: root}]", "tarballs: [{source: a.tar, to: /srv, owner: root}]",
        "directories: [{path: /d, owner: root, group: '0'}]", "requires: {users: [root], groups: [root]}",
        "users: [{name: web}]\nfiles: [{path: /a, text: a, owner: web, group: web}]",
        "groups: [{name: web}]\nfiles: [{path: /a, text: a, group: web}]\nrequires: {paths: [/etc/group, /etc]}",
        // These may bring anybody.
        "tarballs: [{source: a.tar, to: /etc}]\nfiles: [{path: /a, text: a, owner: web}]",
        "files: [{path: /etc/passwd, text: 'web:x:1:1::/:/bin/sh'}, {path: /a, text: a, owner: web}]",
    ])
    func rootIsKnownEverywhereAndSoIsWhatFeaturesProvide(_ features: String) throws {
        #expect(try scratch(features) == nil)
    }

    @Test(arguments: [
        ("files: [{path: /a, text: a, owner: web}]", "there is no user 'web' in the image; add it under 'users'"),
        ("directories: [{path: /a, group: web}]", "there is no group 'web' in the image; add it under 'groups'"),
        ("tarballs: [{source: a.tar, to: /srv, owner: web}]", "there is no user 'web' in the image; add it under 'users'"),
        ("users: [{name: a, group: web}]", "there is no group 'web' in the image; add it under 'groups'"),
        (
            "ssh: [{user: web, keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4OFyTXbvl+xuORUdZcKSYo9KvQiPQ1ER5cGFjZXRv x]}]",
            "there is no user 'web' in the image; add it under 'users'"
        ),
        ("task: {user: web}", "there is no user 'web' in the image; add it under 'users'"),
        (
            "requires: {paths: [/srv]}",
            "the path /srv is needed here and isn't in the image: nothing that it stands on and no feature provides it"
        ),
        (
            "hardlinks: [{path: /a, target: /b}]",
            "the path /b is needed here and isn't in the image: nothing that it stands on and no feature provides it"
        ),
        ("run: [echo hello]", "the image has no /bin/sh to run the step with: it starts from nothing; name an 'appliance'"),
    ])
    func whatAnImageFromNothingLacksIsSaid(_ features: String, _ message: String) throws {
        #expect(try scratch(features) == message)
    }

    @Test func whatAParentLacksIsSaidOfItsChild() throws {
        let child = "  - name: y\n    parent: :x\n    files: [{path: /a, text: a, owner: web}]\n"
        #expect(
            try fault("  - name: x\n    base: scratch\n" + child) == "there is no user 'web' in the image; add it under 'users'")
        #expect(try fault("  - name: x\n    base: scratch\n    users: [{name: web}]\n" + child) == nil)
        #expect(try fault("  - name: x\n    base: {debian: {suite: bookworm}}\n" + child) == nil)
        #expect(try fault("  - name: x\n    base: {tarball: {source: a.tar}}\n" + child) == nil)
    }
}
