import AgentAPI
import Fixtures
import Testing

/// What an update takes for a good version, and which jobs can't be.
@Suite(.requiresRoot)
struct JobTrialTests {
    private func apply(_ host: TestHost, _ fields: String) async throws -> Outcome {
        try await host.dish("job", "apply", "-", input: "jobs: [{name: web, image: //os:base, network: none, \(fields)}]\n")
    }

    @Test func aCrashLoopIsRolledBackWithoutAReadinessCheck() async throws {
        let host = try TestHost(pool: try await SharedPool.shared.path(), agentOptions: ["--min-ready", "2"])
        try await host.withAgent { _ in
            try #require(try await apply(host, "command: [sleep, infinity]").code == 0)
            let good = try await host.client.tasks().map(\.id)
            let broken = try await apply(host, "command: [sh, -c, 'sleep 0.5; exit 4']")
            #expect(broken.code == 1, "\(broken)")
            let reason =
                "version 2 of the job 'web' failed and was rolled back to version 1: replica 2 did not stay up: it exited with 4"
            #expect(broken.errors.contains(reason), "\(broken)")
            let settled = try await host.dish("job", "status", "web", "--wait")
            #expect(settled.code == 0 && settled.output.hasPrefix("web: running, version 3,"), "\(settled)")
            #expect(try await host.client.tasks().contains { $0.id == good[0] && $0.state == .running })

            // A version that nothing came before fails, too.
            try #require(try await host.dish("job", "rm", "web").code == 0)
            let first = try await apply(host, "command: [sh, -c, 'exit 5'], restart: {mode: always, delay: 1s}")
            #expect(
                first.code == 1
                    && first.errors.contains("its replicas ended 3 times; replica 1 did not stay up: it exited with 5"),
                "\(first)")
        }
    }

    @Test func aVolumeThatOneTaskWritesToHasOneReplica() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try #require(try await host.dish("volume", "create", "own").code == 0)
            let two = try await apply(host, "replicas: 2, command: [sleep, infinity], volumes: ['own:/srv']")
            #expect(two.code == 1 && two.errors.contains("2 replicas can't all write to the volume 'own'"), "\(two)")
            let diff = try await host.dish(
                "job", "diff", "-",
                input: "jobs: [{name: web, image: //os:base, replicas: 2, command: [sleep, infinity], volumes: ['own:/srv']}]")
            #expect(diff.code == 1 && diff.errors.contains("can't all write"), "\(diff)")
            let readers = try await apply(host, "replicas: 2, command: [sleep, infinity], volumes: ['own:/srv:ro']")
            #expect(readers.code == 0, "\(readers)")
            try #require(try await host.dish("job", "rm", "web").code == 0)

            // The next version can't be there beside the first, and needn't be told so.
            for seconds in ["1000", "2000"] {
                let made = try await apply(host, "command: [sleep, '\(seconds)'], volumes: ['own:/srv'], update: {deadline: 30s}")
                #expect(made.code == 0, "\(made)")
            }
            let other = try await host.dish(
                "job", "apply", "-", input: "jobs: [{name: other, image: //os:base, command: [id], volumes: ['own:/srv']}]")
            #expect(other.code == 1 && other.errors.contains("the volume 'own' is in use by the job 'web'"), "\(other)")
            try #require(try await host.dish("job", "rm", "web").code == 0)
            try #require(try await host.dish("volume", "rm", "own").code == 0)
        }
    }
}
