import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

/// The same targets give the same layers, however, wherever and whenever they are built.
extension BuildEngine {
    @Suite struct ReproducibilityTests {
        /// A place and a way to build.
        private struct Site {
            let name: String
            let hostName: String
            let environment: [String: String]
            let umask: String
            let jobs: String
            /// What is added to the clock, like `+366d`: of `dish`, of nspawn and of all that runs in the sandbox. Times
            /// that the kernel writes are not changed.
            let clock: String?
        }

        private static let sites = [
            Site(
                name: "a", hostName: "alpha",
                environment: ["TZ": "Pacific/Kiritimati", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "HOME": "/root"],
                umask: "000", jobs: "1", clock: nil),
            Site(
                name: "another/and-a-deeper/place", hostName: "omega-2",
                environment: ["TZ": "America/St_Johns", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1", "HOME": "/nowhere"],
                umask: "077", jobs: "8", clock: "+366d"),
        ]

        private static let labels = ["//base:base", "//org:org", "//app:app", "//app:side"]

        private func workspace() throws -> TestWorkspace {
            let workspace = try TestWorkspace()
            try workspace.write(
                "base/IMAGES.yaml",
                """
                images:
                  - name: base
                    base: {debian: {suite: bookworm}}
                    packages: [systemd, systemd-sysv, dbus]
                    systemd: {mask: [getty@tty1.service]}
                """)
            try workspace.write(
                "org/IMAGES.yaml",
                """
                images:
                  - name: org
                    parent: //base:base
                    packages: [ca-certificates, openssh-server, nginx, python3]
                    groups: [{name: operators}]
                    users: [{name: deploy, groups: [operators]}, {name: keeper, uid: 4000}]
                    run: [update-ca-certificates]
                """)
            try workspace.write(
                "app/IMAGES.yaml",
                """
                images:
                  - name: app
                    parent: //org:org
                    files:
                      - {path: /srv/app.py, source: app.py}
                      - {path: /etc/app.conf, template: app.conf, variables: {name: app}, owner: deploy}
                    systemd:
                      units:
                        - name: app.service
                          enable: true
                          text: "[Service]\\nExecStart=/usr/bin/python3 /srv/app.py\\n[Install]\\nWantedBy=multi-user.target\\n"
                      enable: [nginx.service]
                    run:
                      - python3 -c 'import compileall; compileall.compile_dir("/srv")'
                      - tar --create --file /srv/etc.tar --sort=name --mtime=@0 /etc/app.conf; date --date=@$SOURCE_DATE_EPOCH > /srv/date
                  - name: side
                    parent: //org:org
                    directories: [{path: /srv/side, owner: keeper, mode: "0750"}]
                  - name: clock
                    parent: //base:base
                    run: ['date +%Y > /etc/year; date +%Z >> /etc/year; hostname >> /etc/year; umask >> /etc/year']
                """)
            try workspace.write("app/app.py", "print('hello')\n")
            try workspace.write("app/app.conf", "name = ${name}\n")
            return workspace
        }

        /// The directory with a systemd-nspawn that starts the real one so that programs inside read another clock.
        private func nspawn(clock: String, library: String) throws -> String {
            let folder = try Scratch.make("clock")
            let real = try #require(Executable.find("systemd-nspawn"))
            let variables = ["LD_PRELOAD=/run/clock/\(Files.name(of: library))", "FAKETIME=\(clock)"] + Self.quirks
            let options = variables.map { "--setenv=\($0)" }.joined(separator: " ")
            try Files.replace(
                "\(folder)/systemd-nspawn",
                with: "#!/bin/sh\nexec \(real) --bind-ro=\(Files.parent(of: library)):/run/clock:idmap \(options) \"$@\"\n".utf8,
                mode: 0o755)
            return folder
        }

        /// Files' times are the kernel's; waiting takes as long as it takes.
        private static let quirks = ["NO_FAKE_STAT=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"]

        private func build(_ workspace: TestWorkspace, at site: Site, cache: String, _ options: [String]) async throws -> Pool {
            var environment = site.environment
            if let clock = site.clock {
                let folder = "/usr/lib/\(Self.architecture)-linux-gnu/faketime"
                let library = "\(folder)/libfaketimeMT.so.1"
                try #require(Files.exists(library), "libfaketime is not installed; install it: apt-get install faketime")
                environment["DISH_PATH"] =
                    try nspawn(clock: clock, library: library) + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                environment["LD_PRELOAD"] = library
                environment["FAKETIME"] = clock
                for quirk in Self.quirks { environment[quirk.split(separator: "=").first.map(String.init)!] = "1" }
            }
            let path = try Scratch.make("matrix") + "/\(site.name)/pool"
            let host = try TestHost(pool: path, environment: environment)
            #expect(try await TestHost().dish("pool", "create", path, "--size", "4G").code == 0)
            let copied = try await Command("/bin/cp", ["--recursive", "--preserve", cache, path]).run()
            try #require(copied.status.isSuccess, "\(copied.errorText)")
            let built = try await host.dish(
                arguments: ["image", "build", "-j", site.jobs, "//app:clock"] + Self.labels + options, in: workspace.path,
                under: [
                    "/usr/bin/unshare", "--uts", "--", "/bin/sh", "-ec", "hostname $0; umask $1; shift; exec \"$@\"",
                    site.hostName, site.umask,
                ])
            try #require(built.code == 0, "\(built)")
            return try Pool(at: path)
        }

        #if arch(x86_64)
            private static let architecture = "x86_64"
        #else
            private static let architecture = "aarch64"
        #endif

        @Test func theSameTargetsGiveTheSameLayersEverywhere() async throws {
            let workspace = try workspace()
            let first = try await build(
                workspace, at: Self.sites[0], cache: await BuildEnginePool.shared.path() + "/cache", [])
            let second = try await build(workspace, at: Self.sites[1], cache: first.cache, ["--locked"])
            for label in Self.labels {
                let (one, other) = (try first.resolve(label).id, try second.resolve(label).id)
                guard one != other else { continue }
                let changes = try second.tree(of: other).changes(from: first.tree(of: one))
                let shown = changes.prefix(30).map { "\($0.kind) \($0.path) \($0.aspects.joined(separator: ", "))" }
                Issue.record("\(label) differs in \(changes.count) paths:\n\(shown.joined(separator: "\n"))")
            }
            // The clock was another one, and what the rest of the place is like isn't seen.
            func seen(_ pool: Pool) throws -> [Substring] {
                try Files.readText(pool.root(of: pool.resolve("//app:clock").id) + "/etc/year").split(separator: "\n")
            }
            let (one, other) = (try seen(first), try seen(second))
            #expect(try Int(#require(other.first)) == Int(#require(one.first)).map { $0 + 1 })
            #expect(Array(one.dropFirst()) == ["UTC", "build", "0022"] && other.dropFirst() == one.dropFirst())
            for pool in [first, second] { _ = try await TestHost().dish("pool", "destroy", pool.path, "--yes") }
        }
    }
}
