import AgentAPI
import Fixtures
import FoundationEssentials
import Glibc
import Linux
import Spec
import Testing

/// Operations on the real thing: in the background, cancelled, and broken off (docs/architecture.md, "Operations").
extension APITests {
    private func operation(_ text: String) throws -> OperationStatus {
        try JSONDecoder().decode(OperationStatus.self, from: Data(text.utf8))
    }

    /// The operation once it is as asked.
    private func wait(
        _ host: TestHost, for id: String, until isEnough: (OperationStatus) -> Bool
    ) async throws -> OperationStatus {
        var last: OperationStatus?
        for _ in 0..<600 {
            let status = try await host.client.operation(id)
            if isEnough(status) { return status }
            last = status
            try await Task.sleep(for: .milliseconds(50))
        }
        throw FixtureError("the operation never came there: \(last.map { "\($0)" } ?? "")\n\(host.agentLog)")
    }

    /// A job whose second version never gets ready.
    private func job(_ level: String, isReady: Bool) -> String {
        """
        jobs:
          - name: web
            image: //os:base
            command: [/bin/sh, -c, "trap '' TERM; while :; do sleep 0.2; done"]
            environment: {LEVEL: "\(level)"}
            health: [{purpose: readiness, command: [\(isReady ? "/bin/true" : "/bin/false")], interval: 1s}]
            stop: {timeout: 5s, drain: 1s}
            update: {order: stop-first, deadline: 10m}

        """
    }

    @Test func aStopInTheBackgroundIsFollowedAndCannotBeTakenBack() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let run = try await host.dish(
                "run", "-d", "--name", "deaf", "//os:base", "--", "/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.2; done")
            #expect(run.code == 0, "\(run)")
            let begun = try await host.dish("stop", "--background", "-t", "4", "deaf")
            #expect(begun.code == 0, "\(begun)")
            let id = begun.output.filter { $0 != "\n" }
            let listed = try await host.dish("operation", "ls")
            #expect(listed.output.contains("\(id)  taskStop  /v1/tasks/deaf  running"), "\(listed)")
            let refused = try await host.dish("operation", "cancel", id)
            #expect(refused.code == 1 && refused.errors.contains("start it again when it has: dish start"), "\(refused)")
            let waited = try await host.dish("operation", "wait", id)
            #expect(waited.code == 0 && waited.errors.contains("\(id): running, waits for its end"), "\(waited)")
            let done = try await host.client.operation(id)
            guard case .object(let result) = done.result else {
                Issue.record("\(done)")
                return
            }
            #expect(done.state == .done && result["state"] == "exited" && done.isBackground && done.by == "user 0")
            #expect(
                try await host.events("deaf").map(\.what).filter { $0.hasPrefix("taskStop") } == [
                    "taskStop started", "taskStop done",
                ])
            #expect(try await host.dish("operation", "ls", "--json").output == "[\n\n]\n")
            #expect(try await host.dish("operation", "ls", "--all").output.contains(id))

            // With some patience the answer is the usual one.
            let started = try await ask(host, "POST", "/v1/tasks/deaf/start", ["Prefer: respond-async, wait=30"], json: "{}")
            #expect(started.status == 200 && started.body.contains(#""name":"deaf""#), "\(started)")
            let none = try await ask(host, "POST", "/v1/tasks/none/stop", ["Prefer: respond-async"], json: #"{"timeout": 1}"#)
            #expect(none.status == 202 && none.header("Preference-Applied") == "respond-async", "\(none)")
            let location = try #require(none.header("Location"))
            let failed = try operation(await ask(host, "GET", "\(location)/wait?seconds=30").body)
            #expect(failed.state == .failed && failed.error?.code == .notFound, "\(failed)")
            // What isn't preferred is as it was.
            let plain = try await ask(host, "POST", "/v1/tasks/none/stop", ["Prefer: handling=lenient"], json: #"{"timeout": 1}"#)
            #expect(plain.status == 404, "\(plain)")
        }
    }

    @Test func anAnswerInTheBackgroundIsTheSameForTheSameKey() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let request = #"{"image": "//os:base", "name": "once", "command": ["/bin/sleep", "1000"]}"#
            let headers = ["Prefer: respond-async", "Idempotency-Key: k"]
            let first = try await ask(host, "POST", "/v1/tasks", headers, json: request)
            let again = try await ask(host, "POST", "/v1/tasks", headers, json: request)
            #expect(first.status == 202 && again.status == 202 && first.body == again.body, "\(first) \(again)")
            #expect(first.header("Location") == again.header("Location") && again.header("Idempotency-Replayed") == "true")
            let done = try await wait(host, for: operation(first.body).id) { $0.state.hasEnded }
            #expect(done.state == .done && done.target == "/v1/tasks/once", "\(done)")
            #expect(try await host.client.tasks().map(\.name) == ["once"])

            // What came to nothing is carried out again.
            let none = #"{"image": "//none:none", "name": "none"}"#
            let retried = ["Prefer: respond-async", "Idempotency-Key: l"]
            let failed = try operation(await ask(host, "POST", "/v1/tasks", retried, json: none).body)
            #expect(try await wait(host, for: failed.id) { $0.state.hasEnded }.state == .failed)
            let more = try await ask(host, "POST", "/v1/tasks", retried, json: none)
            #expect(try operation(more.body).id != failed.id && more.header("Idempotency-Replayed") == nil, "\(more)")
        }
    }

    @Test func aRolloutThatIsCancelledLeavesTheJobAsItWas() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { agent in
            // One that is new goes again.
            let new = try await host.dish("job", "apply", "--background", "-", input: job("new", isReady: false))
            #expect(new.code == 0, "\(new)")
            let first = new.output.filter { $0 != "\n" }
            let under = try await wait(host, for: first) { $0.canCancel && $0.progress?.unit == .replicas }
            #expect(under.kind == .jobApply && under.progress?.total == 1 && under.progress?.done == 0, "\(under)")
            let cancelled = try await host.dish("operation", "cancel", first)
            #expect(cancelled.code == 0, "\(cancelled)")
            for _ in 0..<400 where try await !host.client.jobs().isEmpty { try await Task.sleep(for: .milliseconds(50)) }
            #expect(try await host.client.jobs().isEmpty)
            #expect(try await host.client.tasks().isEmpty)

            // One that was there is what it was.
            #expect(try await host.dish("job", "apply", "-", input: job("one", isReady: true)).code == 0)
            let second = try await host.dish("job", "apply", "--background", "-", input: job("two", isReady: false))
            let id = second.output.filter { $0 != "\n" }
            _ = try await wait(host, for: id) { $0.canCancel && $0.progress?.unit == .replicas }
            #expect(try await host.dish("operation", "cancel", id).code == 0)
            let told = try await host.client.operation(id)
            #expect(told.state == .cancelled && told.error?.message.contains("cancelled by user 0") == true, "\(told)")
            let waited = try await host.dish("job", "status", "web", "--wait")
            #expect(waited.code == 0, "\(waited)")
            let job = try await host.client.job("web")
            #expect(job.version == 3 && job.spec.task.environment == ["LEVEL": "one"], "\(job)")
            let history = try await host.dish("job", "history", "web")
            #expect(history.output.contains("version 2 was cancelled"), "\(history)")

            // What it was told to end for is taken back, too.
            let stop = try await host.dish("job", "stop", "--background", "web").output.filter { $0 != "\n" }
            _ = try await wait(host, for: stop) { $0.canCancel }
            #expect(try await host.dish("operation", "cancel", stop).code == 0)
            #expect(try await host.dish("job", "status", "web", "--wait").code == 0)

            // The next agent says that it broke off, and goes on with what was written down.
            let third = try await host.dish("job", "apply", "--background", "-", input: self.job("three", isReady: false))
            let broken = third.output.filter { $0 != "\n" }
            _ = try await wait(host, for: broken) { $0.progress?.unit == .replicas }
            agent.kill()
            _ = try await host.startAgent()
            let after = try await host.dish("operation", "wait", broken)
            #expect(after.code == 1 && after.errors.contains("was interrupted: the agent ended"), "\(after)")
            #expect(try await host.client.job("web").version == 4)
            #expect(try await host.events("web").map(\.what).contains("jobApply interrupted"))
        }
    }

    @Test func aPullThatIsCancelledIsTriedNoMore() async throws {
        let host = try await SharedPool.shared.host()
        // Takes connections, and says nothing.
        let port = try FreePort.tcp()
        let silent = OwnedFD(adopting: socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_in()
        (address.sin_family, address.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(silent.number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(bound == 0 && listen(silent.number, 16) == 0)
        try await host.withAgent { _ in
            let reference = "127.0.0.1:\(port)/app:1"
            let body = #"{"references": ["\#(reference)"]}"#
            let begun = try operation(
                await ask(host, "POST", "/v1/packages?wait=true", ["Prefer: respond-async"], json: body).body)
            _ = try await wait(host, for: begun.id) { $0.canCancel && $0.step != nil }
            // Whoever waits for it too keeps it.
            let job = #"{"name": "app", "task": {"image": "\#(reference)"}}"#
            let other = try operation(
                await ask(host, "PUT", "/v1/jobs/app", ["Prefer: respond-async"], json: job).body)
            _ = try await wait(host, for: other.id) { $0.canCancel && $0.step != nil }
            #expect(try await host.dish("operation", "cancel", begun.id).code == 0)
            #expect(try await host.client.packages().packages.map(\.reference) == [reference])
            #expect(try await host.dish("operation", "cancel", other.id).code == 0)
            #expect(try await host.client.packages().packages.isEmpty)
            #expect(try await host.client.jobs().isEmpty)
        }
        _ = consume silent
    }
}
