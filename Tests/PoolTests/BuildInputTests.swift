import Fixtures
import Foundation
import Glibc
import Linux
import Testing

/// What steps of a build find, what builds read, and what they say.
extension BuildEngine {
    @Suite struct BuildInputTests {
        private let folder = "i" + String(UInt32.random(in: 0 ... .max), radix: 36)

        private func build(
            _ features: String, _ options: String..., in given: TestWorkspace? = nil, parent: String = "parent: //os:base"
        ) async throws -> Outcome {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try given ?? TestWorkspace()
            let indented = features.split(separator: "\n").map { "    \($0)\n" }.joined()
            try workspace.write("\(folder)/IMAGES.yaml", "images:\n  - name: app\n    \(parent)\n\(indented)")
            return try await host.dish(
                arguments: ["image", "build", "//\(folder):app", "--verbose"] + options, in: workspace.path)
        }

        private func root() async throws -> String {
            let shown = try await BuildEnginePool.shared.host().dish("image", "show", "//\(folder):app")
            return try #require(shown.output.firstMatch(of: /root: +(\S+)/).map { String($0.1) }, "\(shown)")
        }

        @Test func theSandboxHasANameThatResolves() async throws {
            let outcome = try await build(
                """
                run:
                  - test "$(hostname --fqdn)" = build.localdomain; getent hosts localhost
                  - script: test "$(hostname --fqdn)" = build.localdomain; touch /srv/out
                    outputs: [/srv/out]
                  - script: getent hosts build && touch /run/target/srv/other
                    appliance: //os:base
                    outputs: [/srv/other]
                """)
            #expect(outcome.code == 0, "\(outcome)")
            let root = try await root()
            #expect(!Files.exists("\(root)/etc/hosts"))
        }

        @Test func whatAStepPutsIntoItsHostsFileStays() async throws {
            let outcome = try await build(
                """
                run:
                  - echo '192.0.2.1 database' >> /etc/hosts
                  - getent hosts database; test "$(hostname --fqdn)" = build.localdomain
                """)
            #expect(outcome.code == 0, "\(outcome)")
            let root = try await root()
            #expect(try Files.readText("\(root)/etc/hosts") == "192.0.2.1 database\n")
            let changed = try await build("run:\n  - script: echo '192.0.2.1 database' >> /etc/hosts\n    outputs: [/srv]\n")
            #expect(changed.code == 1)
            #expect(changed.errors.contains("the run step changed '/etc/hosts', which is not among its outputs"), "\(changed)")
        }

        @Test func filesCanBeOpenedForSynchronousWriting() async throws {
            let outcome = try await build(
                """
                run:
                  - |
                    for flag in dsync sync; do dd if=/dev/zero of=/srv/$flag oflag=$flag bs=4k count=2; done
                    sync; sync /srv/sync
                    perl -e 'my ($path, $how) = ("/etc", pack("QQQ", 0, 0, 0)); syscall(437, -100, $path, $how, 24) >= 0 or die "openat2: $!"'
                """)
            #expect(outcome.code == 0, "\(outcome)")
        }

        @Test func privateKeysInAnImageAreNamedLoudly() async throws {
            let key = "-----BEGIN PRIVATE KEY-----\\n\(String(repeating: "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", count: 4))"
            let text = "run:\n  - printf -- '\(key)\\n' | tee /srv/app.pem > /etc/ssl.key; echo none > /srv/none\n"
            let outcome = try await build(text)
            #expect(outcome.code == 0, "\(outcome)")
            #expect(outcome.errors.contains("WARNING: the image holds 2 private keys"), "\(outcome)")
            let lines = "  | /etc/ssl.key (PEM private key)\n  | /srv/app.pem (PEM private key)\n"
            #expect(outcome.errors.contains(lines), "\(outcome)")
            // Said again when nothing is built, and not of an image that stands on it.
            let again = try await build(text)
            #expect(again.errors.contains("unchanged") && again.errors.contains("/srv/app.pem (PEM private key)"), "\(again)")
            let none = try await build("run:\n  - rm -f /srv/app.pem\n")
            #expect(none.code == 0 && !none.errors.contains("WARNING"), "\(none)")
        }

        @Test func keysOfPackagesAreLeftToTheFirstBoot() async throws {
            let outcome = try await build(
                """
                run:
                  - mkdir -p /etc/ssh; echo key > /etc/ssh/ssh_host_ed25519_key; echo key > /etc/ssh/ssh_host_ed25519_key.pub
                  - mkdir -p /etc/ssl/private /etc/ssl/certs; echo key > /etc/ssl/private/ssl-cert-snakeoil.key
                  - cd /etc/ssl/certs; echo certificate > ssl-cert-snakeoil.pem; ln -s ssl-cert-snakeoil.pem 0123abcd.0
                """)
            #expect(outcome.code == 0, "\(outcome)")
            #expect(outcome.errors.contains("left to the first boot: ssh-host-keys, ssl-cert-snakeoil"), "\(outcome)")
            let root = try await root()
            #expect(try Files.list("\(root)/etc/ssh") == [])
            #expect(try Files.list("\(root)/etc/ssl/certs") == [] && Files.list("\(root)/etc/ssl/private") == [])
            let units = "\(root)/usr/lib/systemd/system"
            #expect(Files.exists("\(units)/dish-first-boot-ssh-host-keys.service"))
            #expect(Files.exists("\(units)/ssh@.service.d/dish-first-boot-ssh-host-keys.conf"))
        }

        @Test func whatIsMissingIsSaidBeforeAnythingIsBuilt() async throws {
            let workspace = try TestWorkspace()
            try workspace.write(
                "\(folder)/low/IMAGES.yaml",
                "images:\n  - name: slow\n    parent: //os:base\n    run: [echo \(folder) > /srv/slow]\n")
            let parent = "parent: //\(folder)/low:slow"
            let absent = try await build("files: [{path: /a, source: absent}]", in: workspace, parent: parent)
            #expect(absent.code == 1 && absent.errors.contains("absent' doesn't exist"), "\(absent)")
            #expect(!absent.errors.contains("low:slow: build"), "\(absent)")
            let unlocked = try await build("packages: [hello]", "--locked", in: workspace, parent: parent)
            #expect(unlocked.code == 1 && unlocked.errors.contains("the lock file doesn't cover"), "\(unlocked)")
            #expect(!unlocked.errors.contains("low:slow: build"), "\(unlocked)")
            // Before an archive is unpacked.
            try Files.replace("\(workspace.path)/\(folder)/a.tar", with: [UInt8](repeating: 0, count: 10240))
            let owner = try await build(
                "tarballs: [{source: a.tar, to: /srv}]\nfiles: [{path: /a, text: a, owner: nosuch}]", in: workspace)
            #expect(owner.code == 1 && owner.errors.contains("there is no user 'nosuch' in the image"), "\(owner)")
            #expect(!owner.errors.contains("unpack a.tar"), "\(owner)")
        }

        @Test func rootOwnsThingsInAnImageFromNothing() async throws {
            let workspace = try TestWorkspace()
            try workspace.write("\(folder)/content/file", "text")
            let packed = try await Command(
                "/bin/tar", ["-C", "\(workspace.path)/\(folder)/content", "-cf", "\(workspace.path)/\(folder)/a.tar", "file"]
            ).run()
            try #require(packed.status.isSuccess)
            let outcome = try await build(
                """
                tarballs: [{source: a.tar, to: /srv, owner: root, group: root}]
                files: [{path: /a, text: a, owner: root, group: "7"}]
                requires: {users: [root]}
                tests: [{name: t, files: [{path: /srv/file, owner: root, group: root}]}]
                """, in: workspace, parent: "base: scratch")
            #expect(outcome.code == 0, "\(outcome)")
            let host = try await BuildEnginePool.shared.host()
            let tested = try await host.dish("image", "test", "//\(folder):app", in: workspace.path)
            #expect(tested.code == 0, "\(tested)")
        }

        @Test func aBuildOfNothingNewReadsNoSourceFiles() async throws {
            let workspace = try TestWorkspace()
            let archive = "\(workspace.path)/\(folder)/large.tar"
            try workspace.write("\(folder)/small", "text")
            try Files.replace(archive, with: [UInt8](repeating: 0, count: 1 << 20))
            // Older than the granularity of any file system's times.
            try await Task.sleep(for: .seconds(4))
            let features = "files: [{path: /small, source: small}]\ntarballs: [{source: large.tar, to: /srv}]"
            #expect(try await build(features, in: workspace).code == 0)
            let (small, large) = (try Reads(of: "\(workspace.path)/\(folder)/small"), try Reads(of: archive))
            let again = try await build(features, in: workspace)
            #expect(again.errors.contains("app: unchanged"), "\(again)")
            #expect(!small.haveHappened && !large.haveHappened)
            // A change is seen, whatever its time of modification says.
            var status = stat()
            try retryingInterrupts("stat", archive) { stat(archive, &status) }
            let file = try OwnedFD.open(archive, O_WRONLY)
            pwrite(file.number, [1], 1, 1 << 19)
            futimens(file.number, [status.st_atim, status.st_mtim])
            let changed = try await build(features, in: workspace)
            #expect(changed.errors.contains("app: build"), "\(changed)")
            #expect(large.haveHappened)
        }
    }
}

/// True if a file's content is read by anybody (inotify(7)).
private final class Reads {
    private let watch: CInt

    init(of path: String) throws {
        watch = try retryingInterrupts("watch", path) { inotify_init1(O_NONBLOCK | O_CLOEXEC) }
        try retryingInterrupts("watch", path) { inotify_add_watch(watch, path, UInt32(IN_ACCESS)) }
    }

    deinit { close(watch) }

    var haveHappened: Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        return read(watch, &buffer, buffer.count) > 0
    }
}
