import AgentAPI
import Synchronization

/// The requests and answers of clients, and the state that they imply.
///
/// Each object is a register: requests write values to it. A value is allowed at the end if some request that may have written
/// it didn't end before an acknowledged one of another value began.
final class HistoryModel: Sendable {
    enum Answer: Sendable, Equatable {
        case done
        /// It may have had its effect, or part of it.
        case failed(String)
        /// It must not have had any.
        case refused(String)
    }

    /// A request's write to one object, with its time.
    struct Write: Sendable {
        /// Nil for any.
        let value: String?
        let isAcknowledged: Bool
        let begin: ContinuousClock.Instant
        let end: ContinuousClock.Instant
        let action: String
        /// True if it may still have its effect after its end: nobody takes a removal back.
        var isLasting = false
    }

    /// An event that there must be, between two times in milliseconds since 1970.
    struct ExpectedEvent: Sendable {
        let kind: AgentEvent.Kind
        let name: String
        let what: String
        let times: ClosedRange<Int64>
        let action: String
    }

    private struct State {
        var writes: [String: [Write]] = [:]
        var events: [ExpectedEvent] = []
        var failures: [String] = []
        var counts: [String: Int] = [:]
        var log: [String] = []
    }

    private let state = Mutex(State())
    let begin = ContinuousClock.now

    func write(
        _ register: String, _ value: String?, _ answer: Answer, from begin: ContinuousClock.Instant,
        to end: ContinuousClock.Instant, _ action: String, isLasting: Bool = false
    ) {
        if case .refused = answer { return }
        let write = Write(
            value: value, isAcknowledged: answer == .done, begin: begin, end: end, action: action, isLasting: isLasting)
        state.withLock { $0.writes[register, default: []].append(write) }
    }

    func expect(_ event: ExpectedEvent) { state.withLock { $0.events.append(event) } }

    func note(_ action: String, _ answer: Answer, from start: ContinuousClock.Instant, to end: ContinuousClock.Instant) {
        let kind =
            switch answer {
            case .done: "done"
            case .failed: "failed"
            case .refused: "refused"
            }
        state.withLock {
            $0.counts[kind, default: 0] += 1
            $0.log.append("\(milliseconds(start)) to \(milliseconds(end)) ms: \(action): \(answer)")
        }
    }

    /// Notes in the log that a part of the run is over.
    func mark(_ text: String) { state.withLock { $0.log.append("\(milliseconds(.now)) ms: \(text)") } }

    func fail(_ reason: String) { state.withLock { $0.failures.append(reason) } }

    var failures: [String] { state.withLock(\.failures) }
    var expectedEvents: [ExpectedEvent] { state.withLock(\.events) }
    var summary: String {
        state.withLock { $0.counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ") }
    }
    /// Requests and faults as they went.
    var log: String { state.withLock { $0.log.joined(separator: "\n") } }

    private func milliseconds(_ instant: ContinuousClock.Instant) -> Int {
        let parts = (instant - begin).components
        return Int(parts.seconds) * 1000 + Int(parts.attoseconds / 1_000_000_000_000_000)
    }

    /// Says why a value can't be that of an object at the end; nil when it can.
    ///
    /// - Parameter initial: the value before the history.
    func objection(to value: String, of register: String, initial: String) -> String? {
        let all = state.withLock { $0.writes[register] ?? [] }
        let first = Write(value: initial, isAcknowledged: true, begin: begin, end: begin, action: "at the begin")
        let acknowledged = all.filter(\.isAcknowledged)
        let isExplained = ([first] + all).contains { candidate in
            guard candidate.value == nil || candidate.value == value else { return false }
            return !acknowledged.contains { write in
                guard let other = write.value, other != value, write.begin > candidate.end else { return false }
                // Another object of that name isn't concerned.
                return !candidate.isLasting
                    || acknowledged.contains { $0.action.hasPrefix("run(") && $0.begin > candidate.end }
            }
        }
        guard !isExplained else { return nil }
        let last = all.suffix(6).map { write in
            "\(milliseconds(write.begin)) to \(milliseconds(write.end)) ms: \(write.action): \(write.isAcknowledged ? "done" : "failed")"
        }
        return "\(register) is '\(value)', which no request explains:\n    \(last.joined(separator: "\n    "))"
    }
}
