import Fixtures
import Glibc
import Linux
import Testing

/// What can be known to be wrong only when the image is built names its line too, and leaves nothing behind.
@Suite(.requiresRoot)
struct BuildLanguageErrorTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        /// Of an image on `//os:base`; the first line is line 4.
        let body: String
        let message: String

        init(_ body: String, _ message: String) {
            self.body = body
            self.message = message
        }

        var testDescription: String { message }
    }

    static let mistakes: [Mistake] = [
        Mistake("files: [{path: /a, text: x, owner: web}]", "4:13: there is no user 'web' in the image; add it under 'users'"),
        Mistake("directories: [{path: /a, group: web}]", "4:19: there is no group 'web' in the image; add it under 'groups'"),
        Mistake(
            "users: [{name: web, groups: [video, webs]}]", "4:13: there is no group 'webs' in the image; add it under 'groups'"),
        Mistake("users: [{name: daemon}]", "4:13: the user 'daemon' exists already, with uid 1"),
        Mistake("users: [{name: web, uid: 1}]", "4:13: uid 1 belongs to the user 'daemon'"),
        Mistake("groups: [{name: web, gid: 1}]", "4:14: gid 1 belongs to the group 'daemon'"),
        Mistake("groups: [{name: daemon, gid: 7}]", "4:14: the group 'daemon' exists with gid 1"),
        Mistake("ssh: [{user: web, keys: [\(key)]}]", "4:30: there is no user 'web' in the image; add it under 'users'"),
        Mistake("requires: {users: [web]}", "4:24: there is no user 'web' in the image; add it under 'users'"),
        Mistake("requires: {groups: [web]}", "4:25: there is no group 'web' in the image; add it under 'groups'"),
        Mistake(
            "files: [{path: /etc/passwd, text: broken}]\n    devices: [{path: /d, type: char, major: 1, minor: 3, group: web}]",
            "5:15: the image's /etc/passwd has a line with 1 instead of 7 fields: 'broken'; mend what writes it"),
        Mistake("task: {immutable: [/web]}", "4:24: '/web' is to be immutable, and the image has no such directory"),
        Mistake("task: {user: web}", "4:18: there is no user 'web' in the image; add it under 'users'"),
        Mistake(
            "systemd: {enable: [web.service]}",
            "4:24: the unit web.service is needed here and isn't in the image: no package and no feature provides it"),
        Mistake(
            "requires: {paths: [/etc/web]}",
            "4:24: the path /etc/web is needed here and isn't in the image: nothing of the parent, the packages and the features provides it"
        ),
        Mistake(
            "hardlinks: [{path: /a, target: /b}]",
            "4:17: the path /b is needed here and isn't in the image: nothing of the parent, the packages and the features provides it"
        ),
        Mistake(
            "remove: [/etc/web]", "4:14: there is nothing at '/etc/web' to remove; write 'must_exist: false' if that is fine"),
        Mistake("files: [{path: /etc, text: x}]", "4:13: write '/etc': Is a directory"),
        Mistake("files: [{path: /etc/passwd/x, text: x}]", "4:13: open '/etc/passwd': Not a directory"),
        Mistake("files: [{path: /a, source: web.conf}]", "4:32: the source file 'WORKSPACE/app/web.conf' doesn't exist"),
        Mistake(
            "files: [{path: /a, source: folder}]",
            "4:32: the source 'WORKSPACE/app/folder' is a directory; name its files one by one"),
        Mistake(
            "files: [{path: /a, source: outside}]",
            "4:32: the source 'WORKSPACE/app/outside' leads out of the folder of this file"),
        Mistake(
            "files: [{path: /a, template: t}]",
            "4:34: the template 't': line 1 uses '${name}', which is not among its 'variables'; a plain '${' is written '$${'"),
        Mistake(
            "files: [{path: /a, template: t, variables: {name: x, other: y}}]",
            "4:34: the template 't': the variable 'other' is not used in it"),
        Mistake(
            "tarballs: [{source: t, to: /a, sha256: \(String(repeating: "0", count: 64))}]",
            "4:44: 'WORKSPACE/app/t' has the SHA-256 7eba2e52fdceb4dc64ec8de692a4e0f4672af975738954d964897e222a66108a; get the file that is meant, or write down this digest"
        ),
        Mistake("tarballs: [{source: t, to: /a}]", "4:16: unpack 'WORKSPACE/app/t': "),
        Mistake("files: [{path: /a, source: t/x}]", "4:32: open 't/x': Not a directory"),
        Mistake(
            "clone: [{from: '//os:base', path: /etc/issue, to: /srv}]",
            "4:13: '/srv' is a directory in the image, and not where it comes from"),
        Mistake("clone: [{from: '//os:base', path: /etc/web}]", "4:20: there is no '/etc/web' in //os:base"),
        Mistake(
            "clone: [{from: '//os:bsae', path: /etc/web}]",
            "4:20: there is no image '//os:bsae': 'WORKSPACE/os/IMAGES.yaml' defines base"),
        Mistake("clone: [{from: ':wrong', path: /etc/web}]", "4:20: the images stand on each other: //app:wrong -> //app:wrong"),
        Mistake(
            "extract: [{from: '//os:base', programs: [/bin/web]}]",
            "4:15: extracting from //os:base failed: exit code 1\n  | there is no '/bin/web'"),
        Mistake(
            "extract: [{from: '//os:base', programs: [/bin/cat]}]\n    files: [{path: /usr/lib/x86_64-linux-gnu/libc.so.6, text: x}]",
            "4:15: the library /lib/x86_64-linux-gnu/libc.so.6, which the programs need, is provided at app/IMAGES.yaml:5:13 too; take one of them out"
        ),
        Mistake("use: [':set']", "4:11: there is no feature set '//app:set': 'WORKSPACE/app/IMAGES.yaml' defines wrong"),
        Mistake(
            "packages: [no-such-package]",
            "4:16: the package 'no-such-package' is not in bookworm: Unable to locate package no-such-package"),
        Mistake("packages: [sysvinit-core]", "4:16: installing sysvinit-core would remove systemd-sysv"),
        Mistake("remove_packages: [nginx]", "4:23: removing nginx failed: exit code 1\n  | the package nginx is not installed"),
        Mistake(
            "size_budget: 1M", "4:18: //app:wrong has SIZE of files, more than its budget of 1 MiB; remove something, or raise it"
        ),
        Mistake("run: [exit 3]", "4:11: the run step failed: exit code 3"),
        Mistake(
            "run: [{script: sleep 100, timeout: 1s}]",
            "4:11: the run step failed: it took longer than its timeout of 1 s and was stopped"),
        Mistake(
            "run: [{script: touch /etc/a /etc/b, outputs: [/etc/b]}]",
            "4:11: the run step changed '/etc/a', which is not among its outputs"),
        Mistake(
            "run: [{script: chmod 600 /etc/passwd, outputs: [/etc/b]}]",
            "4:11: the run step changed '/etc/passwd', which is not among its outputs"),
        Mistake(
            "run: [{script: 'rm /etc/issue; mkdir -p /opt/x/y; touch /opt/x/y/z', outputs: [/opt/x/y]}]",
            "4:11: the run step changed '/etc/issue', which is not among its outputs"),
        Mistake("run: [{script: 'true', outputs: [/etc/b]}]", "4:11: the run step did not make its output '/etc/b'"),
    ]

    private static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4OFyTXbvl+xuORUdZcKSYo9KvQiPQ1ER5cGFjZXRv"

    @Test(arguments: mistakes) func aMistakeIsNamedWithItsLine(_ mistake: Mistake) async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write("app/IMAGES.yaml", "images:\n  - name: wrong\n    parent: //os:base\n    \(mistake.body)\n")
        try workspace.write("app/t", "${name}\n")
        try workspace.write("app/folder/x", "")
        symlink("/etc/passwd", "\(workspace.path)/app/outside")
        let outcome = try await host.dish("image", "build", "//app:wrong", in: workspace.path)
        #expect(outcome.code == 1, "\(outcome)")
        let message = "app/IMAGES.yaml:\(mistake.message.replacing("WORKSPACE", with: workspace.path))"
        let errors = outcome.errors.replacing(/has [0-9.]+ MiB of files/, with: "has SIZE of files")
        #expect(errors.contains(message), "\(errors)")
        #expect(try await host.dish("image", "show", "//app:wrong").code == 1)
    }

    @Test func aLockFileThatDoesNotCoverTheImageIsNamed() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write("app/IMAGES.yaml", "images:\n  - name: wrong\n    parent: //os:base\n    packages: [ed]\n")
        let outcome = try await host.dish("image", "build", "--locked", "//app:wrong", in: workspace.path)
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains(
                "app/IMAGES.yaml:2:11: the lock file doesn't cover //app:wrong as it is now; run: dish image plan //app:wrong"),
            "\(outcome)")
    }

    @Test func programsOfImagesWithOtherLibrariesAreNotMixed() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write(
            "app/IMAGES.yaml",
            """
            images:
              - name: other
                parent: //os:base
                run: ['printf x >> /usr/lib/x86_64-linux-gnu/libtinfo.so.6']
              - name: wrong
                parent: //os:base
                extract:
                  - {from: ':other', programs: [/usr/bin/infocmp]}
                  - {from: '//os:base', programs: [/bin/bash]}
            """)
        let outcome = try await host.dish("image", "build", "//app:wrong", in: workspace.path)
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains(
                "app/IMAGES.yaml:8:9: the library /lib/x86_64-linux-gnu/libtinfo.so.6 of //app:other is another one than that extracted at app/IMAGES.yaml:9:9; take both programs from one image"
            ), "\(outcome)")
    }

    @Test func aDamagedLayoutIsNamed() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write("app/IMAGES.yaml", "images:\n  - name: wrong\n    base: {oci: {layout: layout}}\n")
        let copied = try await Command(
            "/bin/cp", ["--recursive", "\(Programs.repository)/examples/features/bases/layout", "\(workspace.path)/app/layout"]
        ).run()
        try #require(copied.status.isSuccess, "\(copied.errorText)")
        let blobs = "\(workspace.path)/app/layout/blobs/sha256"
        // The archives are compressed, all else is JSON.
        for blob in try Files.list(blobs) {
            let content = try Files.read("\(blobs)/\(blob)")
            guard content.first != UInt8(ascii: "{") else { continue }
            try Files.replace("\(blobs)/\(blob)", with: content + [0], durable: false)
        }
        let outcome = try await host.dish("image", "build", "//app:wrong", in: workspace.path)
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains(
                /app\/IMAGES.yaml:2:11: '[^']+' doesn't have the digest it is named by; the layout is damaged/),
            "\(outcome)")
    }

    @Test func aLockedFileThatNoArchiveHasAnyMoreIsNamed() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write("app/IMAGES.yaml", "images: [{name: wrong, parent: //os:base, packages: [ed]}]")
        #expect(try await host.dish("image", "plan", "//app:wrong", in: workspace.path).code == 0)
        let lock = try Files.readText("\(workspace.path)/IMAGES.lock")
        let gone = lock.replacing(/"path" : "pool\/main\/e\/ed\/[^"]+"/, with: #""path" : "pool/main/e/ed/ed_0_gone.deb""#)
        try workspace.write("IMAGES.lock", gone)
        let outcome = try await host.dish("image", "build", "--locked", "//app:wrong", in: workspace.path)
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains(
                "('pool/main/e/ed/ed_0_gone.deb'): no archive of this host's apt configuration has it any more"),
            "\(outcome)")
        #expect(outcome.errors.contains("resolve the packages anew: dish image plan"))
    }

    @Test func packagesKeptInAFolderAreCheckedAndUsed() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write("app/IMAGES.yaml", "images: [{name: kept, parent: //os:base, packages: [hello]}]")
        let vendor = "\(workspace.path)/vendor"
        let planned = try await host.dish("image", "plan", "//app:kept", "--vendor", vendor, in: workspace.path)
        try #require(planned.code == 0, "\(planned)")
        let built = try await host.dish("image", "build", "//app:kept", "--vendor", vendor, in: workspace.path)
        #expect(built.code == 0, "\(built)")

        // A pool without the packages, and a host without archives.
        let pool = try Scratch.make("vendor") + "/pool"
        #expect(try await host.dish("pool", "create", pool, "--size", "1G").code == 0)
        let file = try #require(try Files.list(vendor).first { $0.hasPrefix("hello_") })
        try Files.replace("\(vendor)/\(file)", with: [1, 2, 3], durable: false)
        let damaged = try await host.dish("image", "build", "//app:kept", "--vendor", vendor, "--pool", pool, in: workspace.path)
        #expect(
            damaged.errors.contains("\(file)' doesn't have the SHA-256 of the lock file; remove it and keep the packages anew"),
            "\(damaged)")
        unlink("\(vendor)/\(file)")
        let missing = try await host.dish("image", "build", "//app:kept", "--vendor", vendor, "--pool", pool, in: workspace.path)
        #expect(missing.errors.contains("there is no '\(vendor)/\(file)', which the lock file wants"), "\(missing)")
        #expect(try await host.dish("image", "ls", "--pool", pool, "--json").text == "[\n\n]")
    }
}
