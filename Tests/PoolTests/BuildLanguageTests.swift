import Fixtures
import Foundation
import Glibc
import Linux
import Testing

/// What the build language does to trees.
@Suite(.requiresRoot)
struct BuildLanguageTests {
    private static let example = "\(Programs.repository)/examples/features"

    /// The root of an image's layer.
    private func root(of image: String, _ host: TestHost) async throws -> String {
        let shown = try await host.dish("image", "show", image)
        return try #require(shown.output.firstMatch(of: /root: +(\S+)/).map { String($0.1) }, "\(shown)")
    }

    @Test func theExampleWithEveryFeatureDoesWhatItSays() async throws {
        let host = try await SharedPool.shared.host()
        let built = try await host.dish("image", "build", "//...", in: Self.example)
        try #require(built.code == 0, "\(built)")

        let root = try await root(of: "//app:app", host)
        func status(_ path: String) throws -> stat {
            var status = stat()
            try retryingInterrupts("read", path) { lstat(root + path, &status) }
            return status
        }
        let settings = try status("/srv/app/settings")
        #expect(settings.st_mode == S_IFREG | 0o640 && settings.st_uid == 2001 && settings.st_gid == 2000)
        #expect(try status("/srv/app").st_mode == S_IFDIR | 0o750)
        #expect(try status("/usr/local/bin/hello").st_ino == status("/usr/local/bin/good-day").st_ino)
        let device = try status("/srv/null")
        #expect(device.st_mode == S_IFCHR | 0o666 && device.st_rdev == 0x103)
        #expect(try status("/srv/app/theme/css/site.css").st_uid == 2001)
        #expect(!Files.exists(root + "/srv/app/theme/README") && !Files.exists(root + "/usr/share/doc/dbus"))
        #expect(Files.exists(root + "/srv/app/base-files/motd") || Files.isDirectory(root + "/srv/app/base-files"))
        #expect(try status("/srv/app/first").st_mtim.tv_sec == 1_700_000_000)
        #expect(try Files.readText(root + "/etc/motd") == "This container belongs to Everybody.\nIn scripts, write ${owner}.\n")
        #expect(try status("/home/deploy/.ssh/authorized_keys").st_mode == S_IFREG | 0o600)
        #expect(!Files.exists(root + "/.dish-work"))
        #expect(Files.exists(root + "/usr/lib/sysusers.d/app.conf") && Files.exists(root + "/usr/lib/tmpfiles.d/app.conf"))

        let oci = try await self.root(of: "//bases:oci", host)
        #expect(try Files.list(oci + "/etc") == ["added", "kept", "machine-id"])
        #expect(try Files.list(oci + "/opt") == ["new"])
        let configuration = try Files.readText(oci + "/usr/lib/dish/image.json")
        #expect(configuration.contains(#""PATH" : "/usr/bin""#) && configuration.contains(#""GREETING" : "hello""#))
        #expect(try Files.readText(await self.root(of: "//bases:tarball", host) + "/etc/hello") == "from a tarball\n")
        let minimal = try await self.root(of: "//os:minimal", host)
        #expect(Files.exists(minimal + "/usr/bin/dpkg") && !Files.exists(minimal + "/usr/bin/apt-get"))
        #expect(!Files.exists(try await self.root(of: "//os:lean", host) + "/usr/bin/less"))
    }

    @Test func tasksGetWhatTheirImageSays() async throws {
        let host = try await SharedPool.shared.host()
        let built = try await host.dish("image", "build", "//app:app", "//bases:static", in: Self.example)
        try #require(built.code == 0, "\(built)")
        try await host.withAgent { _ in
            let motd = try await host.dish("run", "--rm", "//bases:static")
            #expect(motd.output == "This container belongs to Example-Org.\nIn scripts, write ${owner}.\n", "\(motd)")
            let sorted = try await host.dish("run", "--rm", "//bases:static", "--", "/bin/sort", "/etc/motd")
            #expect(sorted.code == 0 && sorted.output.hasPrefix("In scripts"), "\(sorted)")
            // A path of the host is not the image's to take.
            for options in [[], ["--allow-mount", "/usr/share/zone"], ["--allow-mount", "/usr/share/zoneinfo/Europe"]] {
                let refused = try await host.dish(arguments: ["run", "//app:app", "--name", "app"] + options)
                #expect(
                    refused.errors.contains(
                        "the image //app:app mounts this host's '/usr/share/zoneinfo' at '/srv/zoneinfo', which was not allowed; if the image may have it, say so: dish run --allow-mount /usr/share/zoneinfo"
                    ), "\(refused)")
            }
            let app = try await host.dish(
                "run", "//app:app", "--name", "app", "--env", "EXTRA=1", "--allow-mount", "/usr/share")
            try #require(app.code == 0, "\(app)")
            let script = """
                systemctl is-active hello.service
                tr '\\0' '\\n' < /proc/1/environ | grep -E '^(GREETING|EXTRA)=' | sort
                findmnt -no FSTYPE,OPTIONS /var/cache/app | grep -o 'tmpfs.*size=16384k'
                ls -d /srv/zoneinfo/Europe; touch /srv/zoneinfo/x 2>/dev/null || echo read-only
                touch /usr/share/x 2>/dev/null || stat -c 'immutable %U' /usr/share
                stat -c '%U %G' /run/app
                """
            let inside = try await host.dish("exec", "app", "--", "/bin/sh", "-c", script)
            #expect(
                inside.output.replacing("rw,nodev,", with: "")
                    .hasPrefix("active\nEXTRA=1\nGREETING=hello\ntmpfs"), "\(inside)")
            #expect(inside.output.hasSuffix("/srv/zoneinfo/Europe\nread-only\nimmutable root\ndeploy operators\n"), "\(inside)")
            let nothing = try await host.dish("run", "//bases:tarball")
            #expect(nothing.code == 1, "\(nothing)")
        }
    }

    @Test func neitherUmaskNorLocaleNorTimeZoneNorPoolShowsInALayer() async throws {
        let shared = try await SharedPool.shared.host()
        let other = try TestHost(environment: ["TZ": "Asia/Tokyo", "LC_ALL": "C", "LANG": "de_DE.UTF-8"])
        let pool = try Scratch.make("other") + "/pool"
        #expect(try await other.dish("pool", "create", pool, "--size", "1G").code == 0)
        for image in ["//bases:oci", "//bases:tarball"] {
            #expect(try await shared.dish("image", "build", image, in: Self.example).code == 0)
            let old = umask(0o077)
            let built = try await other.dish("image", "build", image, "--pool", pool, "--locked", in: Self.example)
            umask(old)
            #expect(built.code == 0, "\(built)")
            let id = try await shared.dish("image", "show", image).output.firstMatch(of: /id: +(\S+)/)?.1
            let otherID = try await other.dish("image", "show", image, "--pool", pool).output.firstMatch(of: /id: +(\S+)/)?.1
            #expect(id != nil && id == otherID)
        }
    }

    @Test func anAlternativeOfWhatEssentialPackagesNeedCanBeAskedFor() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write(
            "app/IMAGES.yaml",
            """
            images:
              - name: merged
                base: {debian: {suite: bookworm, variant: minimal}}
                packages: [usr-is-merged]
                tests: [{name: one, packages: [usr-is-merged, {name: usrmerge, absent: true}]}]
            """)
        let tested = try await host.dish("image", "test", "//app:merged", in: workspace.path)
        #expect(tested.code == 0, "\(tested)")
    }

    @Test func anImageWithOtherValuesOfParametersIsAnotherImage() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write(
            "app/IMAGES.yaml",
            """
            images:
              - name: app
                parent: //os:base
                parameters: [{name: greeting, default: hello}]
                files: [{path: /etc/greeting, text: "${greeting}"}]
              - name: below
                parent: "//app:app[greeting=bye]"
            """)
        let built = try await host.dish("image", "build", "//app:app[greeting=hi]", "//app:below", in: workspace.path)
        #expect(built.code == 0, "\(built)")
        #expect(try Files.readText(await root(of: "//app:app[greeting=hi]", host) + "/etc/greeting") == "hi")
        #expect(try Files.readText(await root(of: "//app:below", host) + "/etc/greeting") == "bye")
    }

    @Test func movingAndCommentingLinesBuildsNothing() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        let (a, b) = ("[{path: /etc/a, text: a}", "{path: /etc/b, text: b}]")
        try workspace.write("app/IMAGES.yaml", "images:\n  - name: app\n    parent: //os:base\n    files: \(a), \(b)\n")
        #expect(try await host.dish("image", "build", "//app:app", in: workspace.path).code == 0)
        try workspace.write(
            "app/IMAGES.yaml",
            "# Moved.\nimages:\n  - name: app\n\n    files: [\(b.dropLast()), \(a.dropFirst())]\n    parent: //os:base\n")
        let again = try await host.dish("image", "build", "//app:app", in: workspace.path)
        #expect(again.errors.contains("//app:app: unchanged"), "\(again)")
    }

    @Test func noArchiveAndNoLinkLeadsOutOfTheImage() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        // The image has the same path, which its tidying leaves alone.
        let outside = "/srv/dish-test-\(getpid())"
        try Files.makeDirectories(outside)
        defer { try? Files.removeTree(outside) }
        try Files.makeDirectories("\(workspace.path)/app/tree")
        let archive = """
            cd app/tree
            ln -s \(outside) link
            tar --create --file ../evil.tar link
            rm link; mkdir link; echo x > link/through-a-link; echo x > up
            tar --append --file ../evil.tar link/through-a-link
            tar --append --file ../evil.tar --absolute-names --transform 's,^up,../../../../..\(outside)/up,' up
            tar --append --file ../evil.tar --absolute-names --transform 's,^up,\(outside)/absolute,' up
            tar --create --file ../plain.tar up
            """
        var spawn = Spawn("/bin/sh", ["-e", "-c", archive])
        spawn.directory = workspace.path
        let made = try await Command(spawn).run()
        try #require(made.status.isSuccess, "\(made.errorText)")
        for source in ["evil.tar", "plain.tar"] {
            try workspace.write(
                "app/IMAGES.yaml",
                """
                images:
                  - name: confined
                    parent: //os:base
                    symlinks:
                      - {path: /opt/absolute, target: \(outside)}
                      - {path: /opt/relative, target: ../../../../../../..\(outside)}
                    directories: [{path: \(outside)}]
                    tarballs:
                      - {source: \(source), to: /opt/absolute/unpacked}
                    files:
                      - {path: /opt/relative/file, text: x}
                    clone:
                      - {from: //os:base, path: /etc/issue, to: /opt/absolute/issue}
                """)
            let built = try await host.dish("image", "build", "//app:confined", in: workspace.path)
            #expect(try Files.list(outside) == [], "\(built)")
            if source == "plain.tar" {
                try #require(built.code == 0, "\(built)")
                let root = try await root(of: "//app:confined", host)
                #expect(try Files.list(root + outside) == ["file", "issue", "unpacked"])
            }
        }
    }
}
