import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// What a step of a build tries to reach and must not.
extension BuildEngine {
    @Suite struct SandboxTests {
        private let folder = "s" + String(UInt32.random(in: 0 ... .max), radix: 36)

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
            let outcome = try await run("set -u\n" + script)
            #expect(outcome.code == 0, "\(outcome)")
        }

        @Test func thereIsNoNetwork() async throws {
            try await expectWorks(
                """
                test "$(ls /sys/class/net)" = lo
                test "$(wc -l < /proc/net/route)" = 1
                ! (exec 3<> /dev/tcp/10.0.0.1/80) 2> /dev/null
                test ! -e /etc/resolv.conf || test ! -s /etc/resolv.conf
                """)
        }

        @Test func thereIsNothingOfTheHost() async throws {
            let secret = try Scratch.make("secret") + "/file"
            try Files.replace(secret, with: "secret".utf8)
            let pool = try await BuildEnginePool.shared.path()
            let host = try TestHost(pool: pool, environment: ["DISH_SECRET": "told"])
            let outcome = try await run(
                """
                test ! -e \(secret)
                test ! -e \(pool)
                test -z "${DISH_SECRET-}"
                test "$(hostname)" = build
                test "$TZ $LC_ALL $SOURCE_DATE_EPOCH $HOME" = "UTC C.UTF-8 1700000000 /root"
                test "$(ls -d /proc/[0-9]* | wc -l)" -lt 8
                ! ls /dev | grep -E '^(sd|vd|nvme|loop|mem|kmsg|btrfs-control)'
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
                ! mknod /srv/disk b 7 0 2> /dev/null
                ! cat /proc/kcore > /dev/null 2>&1
                ! echo 1 2> /dev/null > /proc/sys/kernel/panic
                """)
        }

        @Test func otherBuildsCannotBeSeen() async throws {
            async let first = run("test ! -e /srv/mine; touch /srv/mine; sleep 1; test \"$(ls /srv)\" = mine")
            async let second = SandboxTests().run(
                "test ! -e /srv/mine; touch /srv/mine; sleep 1; ! grep -l 'sleep 1$' /proc/[0-9]*/root/srv/mine 2> /dev/null")
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

        private func expectGone(_ text: String) async throws {
            for _ in 0..<100 where !Inventory.processes(mentioning: text).isEmpty {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(Inventory.processes(mentioning: text).map(\.command) == [])
        }
    }
}
