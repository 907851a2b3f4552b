import AgentAPI
import Spec

/// What the answers to a task's health checks amount to, as a pure function. Times are milliseconds of a clock that only goes
/// forward.
struct HealthState: Sendable {
    private struct Answers {
        var failures = 0
        var successes = 0
        /// Nil until enough of them agreed.
        var verdict: Bool?
    }

    let checks: [HealthCheck]
    private let started: Int64
    private var answers: [Answers]
    private var reason: String?

    init(_ checks: [HealthCheck], started: Int64) {
        self.checks = checks
        self.started = started
        answers = checks.map { _ in Answers() }
    }

    /// Takes an answer.
    ///
    /// - Parameter failure: nil for a success.
    /// - Returns: why the task is to be replaced, if it is.
    mutating func take(_ failure: String?, from index: Int, at now: Int64) -> String? {
        let check = checks[index]
        guard let failure else {
            answers[index].failures = 0
            answers[index].successes += 1
            if answers[index].successes >= check.successes { answers[index].verdict = true }
            return nil
        }
        reason = "\(check.purpose.rawValue) check (\(check.title)): \(failure)"
        answers[index].successes = 0
        if answers[index].verdict != true, isInStartPeriod(check, now) { return nil }
        answers[index].failures += 1
        guard answers[index].failures >= check.failures else { return nil }
        answers[index].verdict = false
        return check.purpose == .readiness ? nil : reason
    }

    /// Whether a check is to be asked now.
    func isAsked(_ index: Int) -> Bool {
        checks[index].purpose == .startup ? answers[index].verdict != true : hasStarted
    }

    /// Seconds until a check is asked again. While nothing hangs on a failure yet, a task that gets ready is noticed soon; one
    /// that isn't ready after a minute is no busier than the others.
    func pause(_ index: Int, at now: Int64) -> Double {
        let check = checks[index]
        let isWaitedFor =
            answers[index].verdict != true
            && (check.purpose == .readiness && now - started < 60_000 || isInStartPeriod(check, now))
        return isWaitedFor ? min(1, check.interval) : check.interval
    }

    var health: TaskHealth {
        let live = !hasVerdict(false, .startup) && !hasVerdict(false, .liveness)
        let ready = hasStarted && live && zip(checks, answers).allSatisfy { $0.purpose != .readiness || $1.verdict == true }
        return TaskHealth(started: hasStarted, live: live, ready: ready, reason: ready ? nil : reason)
    }

    private var hasStarted: Bool { zip(checks, answers).allSatisfy { $0.purpose != .startup || $1.verdict == true } }

    private func hasVerdict(_ verdict: Bool, _ purpose: HealthCheck.Purpose) -> Bool {
        zip(checks, answers).contains { $0.purpose == purpose && $1.verdict == verdict }
    }

    private func isInStartPeriod(_ check: HealthCheck, _ now: Int64) -> Bool {
        Double(now - started) < check.startPeriod * 1000
    }
}

extension HealthCheck {
    /// For people.
    var title: String {
        switch probe {
        case .command(let command): command.joined(separator: " ")
        case .http(let port, let path): "GET :\(port)\(path)"
        case .tcp(let port): "port \(port)"
        case .unit(let name): name
        }
    }
}
