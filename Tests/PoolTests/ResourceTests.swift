import AgentAPI
import Fixtures
import FoundationEssentials
import Linux
import Spec
import Testing

@Suite(.requiresRoot)
struct ResourceTests {
    private func stats(_ host: TestHost) async throws -> HostUsage {
        let outcome = try await host.dish("stats", "--json")
        try #require(outcome.code == 0, "\(outcome)")
        return try JSONDecoder().decode(HostUsage.self, from: Data(outcome.output.utf8))
    }

    @Test func usageIsWhatThisKernelTellsAndNullElsewhere() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let started = try await host.dish(
                "run", "-d", "//os:base", "--name", "busy", "--disk", "100M", "--", "/bin/sh", "-c", "while :; do :; done")
            try #require(started.code == 0, "\(started)")
            let usage = try #require(try await stats(host).tasks.first)
            #expect(usage.name == "busy" && usage.class == .burstable)
            #expect(try #require(usage.cpu).time > 0 && usage.cpu?.percent ?? 0 > 5, "\(usage)")
            #expect(try #require(usage.disk).limit == 100 << 20)
            let controllers = try Files.readText("/proc/self/cgroup").split(separator: "\n").compactMap {
                $0.split(separator: ":").dropFirst().first.map(String.init)
            }
            // A controller that is v1's has nothing for the v2 group.
            if controllers.contains("memory") { #expect(usage.memory == nil) }
            if controllers.contains("pids") { #expect(usage.pids == nil) }
            #expect((usage.pressure.cpu != nil) == Files.exists("/proc/pressure/cpu"))
            let table = try await host.dish("stats", "--no-stream")
            #expect(table.output.contains("busy  burstable"), "\(table)")
            #expect(try await host.dish("stats", "nobody").code == 1)
            #expect(try await host.dish("host", "ls", "--json").output.contains("\"reserved\""))
        }
    }

    @Test func anInodeFillerStopsAtTheLimitBecauseMetadataIsCounted() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let started = try await host.dish(
                "run", "-d", "//os:base", "--name", "filler", "--disk", "24M", "--", "/bin/sleep", "1000")
            try #require(started.code == 0, "\(started)")
            // Empty files with long names: nothing but metadata.
            let script =
                "use Fcntl; mkdir '/var/tmp/d'; for $i (1..300000) { sysopen(F, '/var/tmp/d/' . ('x' x 200) . $i, O_CREAT|O_WRONLY) or do { print \"$i $!\\n\"; exit }; close F; system('sync') if $i % 5000 == 0 } print 'all'"
            let filler = try await host.dish("exec", "filler", "--", "perl", "-e", script)
            #expect(filler.output.contains("Disk quota exceeded"), "\(filler)")
            let usage = try #require(try await stats(host).tasks.first { $0.name == "filler" }?.disk)
            #expect(usage.used <= 24 << 20 && usage.used > 20 << 20, "\(usage)")
            // More room, and it can go on.
            let updated = try await host.dish("update", "filler", "--disk", "200M")
            #expect(updated.code == 0, "\(updated)")
            let after = try await host.dish("exec", "filler", "--", "sh", "-c", "echo a > /var/tmp/more && echo written")
            #expect(after.text == "written", "\(after)")
            #expect(try await stats(host).tasks.first { $0.name == "filler" }?.disk?.limit == 200 << 20)
            let events = try await host.dish("events", "filler")
            #expect(events.output.contains("resized") && events.output.contains("disk 200M"), "\(events)")
        }
    }

    @Test func whatDoesNotFitIsRefusedWithTheNumbers() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let refused = try await host.dish(
                "run", "-d", "//os:base", "--class", "guaranteed", "--cpu", "0.1", "--memory", "8T", "--best-effort", "--",
                "/bin/true")
            #expect(refused.code == 1 && refused.errors.contains("of memory set aside"), "\(refused)")
            let unlimited = try await host.dish("run", "-d", "//os:base", "--class", "guaranteed", "--", "/bin/true")
            #expect(unlimited.code == 1 && unlimited.errors.contains("--cpu: a guaranteed task needs it"), "\(unlimited)")
            #expect(try await host.dish("run", "-d", "//os:base", "--class", "best").code == 2)
            #expect(try await host.dish("update", "web").code == 2)
        }
    }
}
