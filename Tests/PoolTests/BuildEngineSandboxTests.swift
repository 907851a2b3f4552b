import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// What a step of a build tries to reach and must not.
extension BuildEngine {
    @Suite struct SandboxTests {
        private let folder = "s" + String(UInt32.random(in: 0 ... .max), radix: 36)

        /// Fails a script when a command works: `!` doesn't, it takes the command out of what `sh -e` looks at.
        private static let refused = "refused() { if \"$@\"; then echo \"this worked: $*\"; exit 1; fi; }\n"

        /// Builds an image with one step.
        private func run(
            _ script: String, _ options: String..., host given: TestHost? = nil, pool: String? = nil
        ) async throws -> Outcome {
            let shared = try await BuildEnginePool.shared.host()
            let host = given ?? shared
            let workspace = try TestWorkspace()
            let indented = script.split(separator: "\n").map { "          \($0)" }.joined(separator: "\n")
            try workspace.write(
                "\(folder)/IMAGES.yaml", "images:\n  - name: app\n    parent: //os:base\n    run:\n      - |\n\(indented)\n")
            let arguments = ["image", "build", "//\(folder):app", "--verbose"] + options + (pool.map { ["--pool", $0] } ?? [])
            return try await host.dish(arguments: arguments, in: workspace.path)
        }

        private func expectWorks(_ script: String) async throws {
            let outcome = try await run(Self.refused + "set -u\n" + script)
            #expect(outcome.code == 0, "\(outcome)")
        }

        @Test func thereIsNoNetwork() async throws {
            try await expectWorks(
                """
                test "$(ls /sys/class/net)" = lo
                test "$(wc -l < /proc/net/route)" = 1
                refused perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) or exit 1;
                    connect(S, sockaddr_in(80, inet_aton("10.0.0.1"))) or $!{ENETUNREACH} or exit 2; exit($!{ENETUNREACH} ? 1 : 0)'
                test ! -e /etc/resolv.conf || test ! -s /etc/resolv.conf
                """)
        }

        @Test func thereIsNothingOfTheHost() async throws {
            let secret = try Scratch.make("secret") + "/file"
            try Files.replace(secret, with: "secret".utf8)
            let pool = try await BuildEnginePool.shared.path()
            let host = try TestHost(pool: pool, environment: ["DISH_SECRET": "told"])
            let outcome = try await run(
                Self.refused + """
                    test ! -e \(secret)
                    test ! -e \(pool)
                    test -z "${DISH_SECRET-}"
                    test "$(hostname)" = build
                    test "$TZ $LC_ALL $SOURCE_DATE_EPOCH $HOME" = "UTC C.UTF-8 1700000000 /root"
                    test "$(ls -d /proc/[0-9]* | wc -l)" -lt 8
                    test -z "$(ls /dev | grep -E '^(sd|vd|nvme|loop|mem|kmsg|btrfs-control)')"
                    test -z "$container_host_id"
                    test "$container_uuid" = 00000000-0000-0000-0000-000000000001
                    test "$(grep -c Seccomp:.2 /proc/self/status)" = 1
                    test "$(awk '{ print $2 }' /proc/self/uid_map)" -gt 100000
                    """, host: host)
            #expect(outcome.code == 0, "\(outcome)")
        }

        @Test func aStepCannotMakeDevicesOrReachAPoolThroughThem() async throws {
            try await expectWorks(
                """
                refused mknod /srv/disk b 7 0 2> /dev/null
                refused cat /proc/kcore > /dev/null 2>&1
                refused sh -c 'echo 1 > /proc/sys/kernel/panic' 2> /dev/null
                """)
        }

        @Test func otherBuildsCannotBeSeen() async throws {
            async let first = run("test ! -e /srv/mine; touch /srv/mine; sleep 1; test \"$(ls /srv)\" = mine")
            async let second = SandboxTests().run(
                "test ! -e /srv/mine; touch /srv/mine; sleep 1; test \"$(ls /srv)\" = mine; test \"$(ls -d /proc/[0-9]* | wc -l)\" -lt 8"
            )
            for outcome in try await [first, second] { #expect(outcome.code == 0, "\(outcome)") }
        }

        @Test func nothingOfAStepOutlivesIt() async throws {
            let marker = "9\(UInt32.random(in: 10_000 ... 99_999))"
            try await expectWorks("(setsid sleep \(marker) &) ; sleep 0.1")
            #expect(Inventory.processes(mentioning: "sleep \(marker)").map(\.command) == [])
        }

        @Test func aStepThatTakesTooLongIsEndedWholly() async throws {
            let marker = "9\(UInt32.random(in: 10_000 ... 99_999))"
            let outcome = try await run("sleep \(marker)", "--step-timeout", "1")
            #expect(outcome.code == 1)
            #expect(
                outcome.errors.contains("the run step failed: it ran longer than 1 s, which is its time limit, and was ended"),
                "\(outcome)")
            try await expectGone("sleep \(marker)")
        }

        @Test func aForkBombIsSurvivedAndEnded() async throws {
            let marker = "bomb\(UInt32.random(in: 10_000 ... 99_999))"
            let outcome = try await run(
                "cat > /srv/\(marker) <<'X'\n/bin/sh /srv/\(marker) & /bin/sh /srv/\(marker) & wait\nX\n/bin/sh /srv/\(marker)",
                "--step-timeout", "3", "--step-processes", "300")
            // Either it ran into its limit and fell apart, or its time was up.
            #expect(outcome.errors.contains("Cannot fork"), "\(outcome.errors.suffix(2000))")
            try await expectGone(marker)
            let after = try await run("echo fine")
            #expect(after.code == 0)
        }

        @Test func aStepCannotFillThePool() async throws {
            let shared = try await BuildEnginePool.shared.path()
            let host = try TestHost()
            let path = try Scratch.make("small") + "/pool"
            #expect(try await host.dish("pool", "create", path, "--size", "900M").code == 0)
            let copied = try await Command("/bin/cp", ["--recursive", "--preserve", "\(shared)/cache", path]).run()
            try #require(copied.status.isSuccess, "\(copied.errorText)")
            let outcome = try await run("head -c 2G /dev/urandom > /srv/all", host: host, pool: path)
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("Disk quota exceeded"), "\(outcome)")
            #expect(outcome.errors.contains("the pool at '\(path)' is full"), "\(outcome)")
            #expect(try Files.list("\(path)/staging") == [])
            #expect(try await host.dish("pool", "destroy", path, "--yes").code == 0)
        }

        @Test func aSubvolumeInsideTheImageIsNoWayAroundTheLimitOfSpace() async throws {
            let shared = try await BuildEnginePool.shared.path()
            let host = try TestHost()
            let path = try Scratch.make("small") + "/pool"
            #expect(try await host.dish("pool", "create", path, "--size", "900M").code == 0)
            let copied = try await Command("/bin/cp", ["--recursive", "--preserve", "\(shared)/cache", path]).run()
            try #require(copied.status.isSuccess, "\(copied.errorText)")
            // BTRFS_IOC_SUBVOL_CREATE, which needs no privileges.
            let outcome = try await run(
                """
                perl -e 'open(my $folder, "<", "/srv") or die; my $name = pack("q a4088", 0, "inner");
                    ioctl($folder, 0x5000940e, $name) or die "no subvolume: $!"'
                test "$(stat -c %i /srv/inner)" = 256
                head -c 2G /dev/urandom > /srv/inner/all
                """, host: host, pool: path)
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("/srv/inner/all") || outcome.errors.contains("Disk quota exceeded"), "\(outcome)")
            #expect(outcome.errors.contains("Disk quota exceeded"), "\(outcome)")
            #expect(outcome.errors.contains("the pool at '\(path)' is full"), "\(outcome)")
            #expect(try Files.list("\(path)/staging") == [])
            // What remains of the group goes with a later build, when the kernel has cleaned up.
            func groups() throws -> [QuotaGroup] { try Filesystem(at: path).quotaGroups().filter { $0.level == 1 } }
            var after = try await run("echo fine > /srv/fine", host: host, pool: path)
            for _ in 0..<30 where try after.code != 0 || groups() != [] {
                try await Task.sleep(for: .seconds(1))
                after = try await run("echo fine \(UInt32.random(in: 0 ... .max)) > /srv/fine", host: host, pool: path)
            }
            #expect(after.code == 0, "\(after)")
            #expect(try groups() == [])
            #expect(try await host.dish("pool", "destroy", path, "--yes").code == 0)
        }

        /// By one process, by many, and by files in memory.
        @Test(arguments: [
            "perl -e '$x = \"x\" x 400000000; print length $x'",
            "for i in 1 2 3 4 5 6 7 8; do perl -e '$x = \"x\" x 60000000; sleep 3' & done; wait",
            "head -c 400M /dev/zero > /dev/shm/file || head -c 400M /dev/zero > /tmp/file",
        ])
        func aStepCannotUseMoreMemoryThanItMay(_ script: String) async throws {
            let before = Self.memoryGroups()
            let outcome = try await run(script, "--step-memory", "200M")
            #expect(outcome.code == 1, "\(outcome)")
            #expect(
                outcome.errors.contains(
                    "the step reached its limit of memory, 200 MiB, and something of it was killed; give it more: --step-memory SIZE"
                ),
                "\(outcome)")
            #expect(Self.memoryGroups() == before)
            // It may use what it is given.
            let fine = try await run("perl -e '$x = \"x\" x 60000000'", "--step-memory", "200M")
            #expect(fine.code == 0, "\(fine)")
        }

        private static func memoryGroups() -> [String] {
            Inventory.directories(named: "dish-build", below: "/sys/fs/cgroup").flatMap { folder in
                ((try? Files.list(folder)) ?? []).map { "\(folder)/\($0)" }.filter { Files.isDirectory($0) }
            }
        }

        @Test func aStepCannotChangeItsLimitsOrTheHost() async throws {
            try await expectWorks(
                """
                refused sh -c 'ulimit -Hn 100000000' 2> /dev/null
                refused date --set 2001-01-01 > /dev/null 2>&1
                refused dmesg > /dev/null 2>&1
                test "$(wc -l < /proc/sysvipc/shm)" = 1
                find /sys/fs/cgroup -name 'memory.*' | while read file; do
                    refused sh -c "echo 1000000000 > $file" 2> /dev/null
                done
                refused mount /dev/loop0 /mnt 2> /dev/null
                refused mount -t btrfs /dev/vda /mnt 2> /dev/null
                refused ls /proc/1/root/../../..\(Scratch.directory)
                """)
        }

        @Test func aStepCannotWriteToItsInputs() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try Pool(at: await BuildEnginePool.shared.path())
            let base = try pool.resolve("//os:base")
            let workspace = try TestWorkspace()
            try workspace.write("\(folder)/page", "page\n")
            try workspace.write(
                "\(folder)/IMAGES.yaml",
                """
                images:
                  - name: app
                    parent: //os:base
                    files: [{path: /srv/page, source: page}]
                    run:
                      - appliance: //os:base
                        script: |
                          refused() { if "$@"; then echo "this worked: $*"; exit 1; fi; }
                          refused touch /etc/appliance 2> /dev/null
                          refused rm /etc/passwd 2> /dev/null
                          mount -o remount,rw / 2> /dev/null || true
                          mount -o remount,bind,rw / 2> /dev/null || true
                          refused touch /etc/appliance 2> /dev/null
                          refused chown 1 /etc/passwd 2> /dev/null
                          echo changed > /run/target/srv/page
                """)
            let built = try await host.dish("image", "build", "//\(folder):app", in: workspace.path)
            #expect(built.code == 0, "\(built)")
            #expect(try TreeDigest(of: pool.root(of: base.id)).id == base.id)
            #expect(try Files.readText("\(workspace.path)/\(folder)/page") == "page\n")
            #expect(try Files.readText(pool.root(of: pool.resolve("//\(folder):app").id) + "/srv/page") == "changed\n")
        }

        private func expectGone(_ text: String) async throws {
            for _ in 0..<100 where !Inventory.processes(mentioning: text).isEmpty {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(Inventory.processes(mentioning: text).map(\.command) == [])
        }
    }
}
