import AgentAPI
import Fixtures
import FoundationEssentials
import Glibc
import Spec
import Synchronization

/// The clients of a history: ask for what it says, and tell the model what they were answered.
extension HistoryRun {
    /// The request behind an answer.
    private struct Request {
        let action: History.Action
        let begin = ContinuousClock.now
        let time = HistoryRun.now
        let kills: Int
    }

    /// Milliseconds since 1970.
    static var now: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }

    /// The longest that a request may take: what the agent says, the time in which another agent comes, and room for a busy host.
    private static let longest = Duration.seconds(150)

    func perform(_ action: History.Action) async {
        let request = Request(action: action, kills: kills)
        underWay.withLock { _ = $0.insert("\(action)") }
        defer { underWay.withLock { _ = $0.remove("\(action)") } }
        switch action {
        case .run(let name):
            await ask(request, writes: [(name, "running"), ("\(name) disk", "50")], event: (.task, name, "created")) {
                _ = try await host.client.start(Self.task(name))
            }
        case .stop(let name, let seconds):
            await ask(request, writes: [(name, "stopped")]) { _ = try await host.client.stop(name, timeout: seconds) }
        case .start(let name):
            await ask(request, writes: [(name, "running")]) { _ = try await host.client.startAgain(name) }
        case .restart(let name):
            await ask(request, writes: [(name, "running")]) { _ = try await host.client.restart(name, timeout: 0) }
        case .remove(let name):
            let snapshots = history.snapshots(of: name).map { ("\(name)@\($0)", "no") }
            let answer = await ask(request, writes: [(name, "absent")] + snapshots, event: (.task, name, "removed")) {
                try await host.client.remove(name, force: true)
            }
            // Where the pool can't be written to it has ended and is still there.
            if case .failed = answer {
                model.write(name, "stopped", answer, from: request.begin, to: .now, "\(action)")
                model.write(name, "absent", answer, from: request.begin, to: .now, "\(action)", isLasting: true)
            }
        case .update(let name, let mebibytes):
            await ask(request, writes: [("\(name) disk", "\(mebibytes)")], event: (.task, name, "resized")) {
                _ = try await host.client.update(name, LimitsChange(limits: Limits(disk: mebibytes << 20)))
            }
        case .snapshot(let name, let snapshot):
            await ask(request, writes: [("\(name)@\(snapshot)", "yes")], event: (.task, name, "snapshot")) {
                _ = try await host.client.snapshot(name, as: snapshot)
            }
        case .rollBack(let name, let image):
            await ask(request, writes: [], event: (.task, name, "rollback")) {
                _ = try await host.client.rollBack(name, to: RollbackRequest(snapshot: nil, image: image, timeout: 0))
            }
        case .apply(let name, let replicas, let version):
            var change: JobChange?
            await ask(
                request, writes: [(name, "\(replicas) of version \(version)")],
                event: change.flatMap { $0.kind == .unchanged ? nil : (.job, name, $0.kind.rawValue) }
            ) {
                change = try await host.client.apply(Self.job(name, replicas, version))
            }
        case .stopJob(let name):
            await ask(request, writes: [(name, "stopped")], event: (.job, name, "stopped")) {
                _ = try await host.client.stop(job: name)
            }
        case .rollBackJob(let name):
            await ask(request, writes: [(name, nil)]) { _ = try await host.client.rollback(job: name, to: nil) }
        case .removeJob(let name):
            await ask(request, writes: [(name, "absent")], event: (.job, name, "removed")) {
                try await host.client.remove(job: name)
            }
        case .createVolume(let name): await command(request, [(name, "there")], ["volume", "create", name])
        case .snapshotVolume(let name, let snapshot):
            await command(request, [("\(name)@\(snapshot)", "yes")], ["volume", "snapshot", name, snapshot])
        case .removeVolume(let name):
            let snapshots = history.snapshots(of: name).map { ("\(name)@\($0)", "no") }
            await command(request, [(name, "absent")] + snapshots, ["volume", "rm", name])
        case .tag(let name): await command(request, [(name, "there")], ["image", "tag", "//:box", name])
        case .untag(let name): await command(request, [(name, "absent")], ["image", "rm", name])
        case .keepSecret(let name, let bytes):
            await ask(request, writes: [(name, "\(bytes) bytes")], event: (.secret, name, "kept")) {
                let content = Data(repeating: 120, count: bytes).base64EncodedString()
                _ = try await host.client.put(secret: name, base64: content)
            }
        case .removeSecret(let name):
            await ask(request, writes: [(name, "absent")], event: (.secret, name, "removed")) {
                try await host.client.remove(secret: name)
            }
        case .drain:
            await ask(request, writes: [("drain", "yes")], event: (.host, "", "draining")) {
                _ = try await host.client.drain(reason: "a history")
            }
        case .undrain:
            await ask(request, writes: [("drain", "no")], event: (.host, "", "undrained")) {
                _ = try await host.client.undrain()
            }
        case .fault(let fault): await perform(fault)
        }
    }

    // MARK: What there is

    static func program(_ name: String) -> String { "86\(getpid() % 1000)\(name.utf8.reduce(0) { $0 + Int($1) })" }

    private static func task(_ name: String) -> TaskRequest {
        var task = TaskRequest(image: "//:box")
        task.name = name
        task.command = ["/bin/sleep", program(name)]
        task.network = name == "t2" ? .none : .private
        task.limits.disk = 50 << 20
        task.restart = RestartPolicy(.always)
        task.restart.backoff = 0.1
        return task
    }

    static func job(_ name: String, _ replicas: Int, _ version: Int) -> JobSpec {
        var task = TaskRequest(image: "//:box")
        task.command = ["/bin/sleep", program(name)]
        task.environment = ["VERSION": "\(version)"]
        task.network = .private
        task.restart = RestartPolicy(.always)
        var job = JobSpec(name: name, task: task)
        job.replicas = replicas
        job.stopTimeout = 1
        job.drain = 0
        job.update.rollback = false
        job.update.deadline = 60
        return job
    }

    // MARK: Answers

    @discardableResult
    private func ask(
        _ request: Request, writes: [(String, String?)], event: @autoclosure () -> (AgentEvent.Kind, String, String)? = nil,
        _ body: () async throws -> Void
    ) async -> HistoryModel.Answer {
        let answer: HistoryModel.Answer
        do {
            try await body()
            answer = .done
        } catch let error as AgentError {
            let isRefused: Bool
            switch (error.code, request.action) {
            // These are said when somebody else has undone it.
            case (.conflict, .stop), (.conflict, .stopJob): isRefused = false
            case (.failed, _): isRefused = false
            // Under an agent that ended it was asked for twice; the first may have had its effect.
            default: isRefused = kills == request.kills
            }
            answer = isRefused ? .refused(error.message) : .failed(error.message)
        } catch {
            answer = .failed("\(error)")
        }
        end(request, answer, writes, event())
        return answer
    }

    private func command(_ request: Request, _ writes: [(String, String?)], _ arguments: [String]) async {
        do {
            let outcome = try await host.dish(arguments: arguments)
            // 128 and a signal: it was killed under way.
            let answer: HistoryModel.Answer =
                outcome.code == 0 ? .done : outcome.code > 128 ? .failed(outcome.errors) : .refused(outcome.errors)
            end(request, answer, writes, nil)
        } catch {
            end(request, .failed("\(error)"), writes, nil)
        }
    }

    private func end(
        _ request: Request, _ answer: HistoryModel.Answer, _ writes: [(String, String?)],
        _ event: (AgentEvent.Kind, String, String)?
    ) {
        let (end, action) = (ContinuousClock.now, "\(request.action)")
        for (register, value) in writes { model.write(register, value, answer, from: request.begin, to: end, action) }
        model.note(action, answer, from: request.begin, to: end)
        if end - request.begin > Self.longest { model.fail("\(action) took \(end - request.begin)") }
        switch answer {
        case .done:
            guard let (kind, name, what) = event else { return }
            model.expect(
                .init(kind: kind, name: name, what: what, times: request.time - 10...Self.now + 10, action: action))
        case .failed(let message), .refused(let message):
            // An agent that gives up waiting has let something hang.
            let sign =
                /did not end|still there after|has not ended yet|hasn't ended after|still being removed|is \w+ after \d+ s|listening there/
            if message.firstMatch(of: sign) != nil {
                model.fail("\(action) gave up: \(message)")
            }
        }
    }
}

extension History {
    /// Names of snapshots that are asked for.
    func snapshots(of name: String) -> [String] {
        steps.compactMap { step in
            switch step.action {
            case .snapshot(name, let snapshot), .snapshotVolume(name, let snapshot): snapshot
            default: nil
            }
        }
    }
}
