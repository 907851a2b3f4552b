import AgentAPI
import Linux

/// Events that an earlier agent did not live to record: the state on disk, compared with the log (docs/tasks.md, "Events").
///
/// A change is on disk before its event is, so a kill between the two loses the event. Only events that tell whether an object exists,
/// and as whom people asked for it, are found this way.
public struct MissingEvents: Sendable {
    struct Event: Equatable, Sendable {
        var name: String
        var id: String?
        var what: String
    }

    private struct Subject: Hashable {
        let kind: AgentEvent.Kind
        let key: String
    }

    /// Per kind, the events of which the last one tells what there must be now.
    private static let words: [AgentEvent.Kind: Set<String>] = [
        .task: ["created", "removed", "refused", "damaged"],
        .job: ["created", "changed", "started", "stopped", "removed", "rolled back", "damaged"],
        .secret: ["kept", "removed"],
        .host: ["draining", "undrained"],
    ]
    static let reason = "by an earlier agent, which ended before it had recorded it"

    /// The last such event of each object.
    private let last: [Subject: AgentEvent]
    /// Milliseconds since 1970: the log has all that happened since.
    private let reach: Int64

    /// - Returns: nil when the last agent recorded all it did, as one that is stopped does, or the log can't be read.
    public init?(_ log: EventLog) async {
        guard !log.isComplete, let noted = try? await log.events(after: 0), !noted.isEmpty else { return nil }
        self.init(noted)
    }

    init(_ noted: [AgentEvent]) {
        var last: [Subject: AgentEvent] = [:]
        for event in noted where Self.words[event.kind]?.contains(event.what) == true {
            last[Subject(kind: event.kind, key: event.kind == .host ? "" : event.id ?? event.name)] = event
        }
        self.last = last
        reach = noted.first.map { $0.sequence == 1 ? .min : $0.time } ?? .max
    }

    /// - Parameters:
    ///   - there: all tasks there are.
    ///   - damaged: ids of those of which nothing else is known.
    func tasks(_ there: [TaskIntent], damaged: Set<String>) -> [Event] {
        let ids = Set(there.map(\.id)).union(damaged)
        let made = there.filter { last(.task, $0.id) == nil && reaches($0.created) }
        return made.map { Event(name: $0.name, id: $0.id, what: "created") }
            + gone(.task, ids).filter { $0.what == "created" }.map { Event(name: $0.name, id: $0.id, what: "removed") }
    }

    /// - Parameters:
    ///   - there: all jobs there are.
    ///   - damaged: names of those that are set aside.
    func jobs(_ there: [Job], damaged: Set<String>) -> [Event] {
        let names = Set(there.map(\.name)).union(damaged)
        return there.compactMap { job in event(of: job).map { Event(name: job.name, what: $0) } }
            + gone(.job, names).filter { $0.what != "damaged" }.map { Event(name: $0.name, what: "removed") }
    }

    private func event(of job: Job) -> String? {
        let (last, made) = (last(.job, job.name), job.target.created)
        guard last != nil || reaches(made) else { return nil }
        if job.isRemoved { return last?.what == "removed" ? nil : "removed" }
        if job.isStopped { return last?.what == "stopped" ? nil : "stopped" }
        switch last?.what {
        case nil, "removed", "damaged": return job.target.rollbackOf == nil ? "created" : "rolled back"
        case "stopped" where job.target.rollbackOf == nil: return "started"
        default:
            guard let last, last.time / 1000 < made else { return nil }
            return job.target.rollbackOf == nil ? "changed" : "rolled back"
        }
    }

    /// - Parameter there: all secrets there are.
    func secrets(_ there: [SecretStatus]) -> [Event] {
        let kept = there.filter { secret in
            guard let last = last(.secret, secret.name) else { return reaches(secret.changed) }
            return last.what == "removed" || last.time / 1000 < secret.changed
        }
        return kept.map { Event(name: $0.name, what: "kept") }
            + gone(.secret, Set(there.map(\.name))).map { Event(name: $0.name, what: "removed") }
    }

    /// - Parameter since: seconds since 1970; nil where the host isn't drained.
    func drain(since: Int64?) -> String? {
        let last = last(.host, "")?.what
        guard let since else { return last == "draining" ? "undrained" : nil }
        return last != "draining" && (last != nil || reaches(since)) ? "draining" : nil
    }

    private func last(_ kind: AgentEvent.Kind, _ key: String) -> AgentEvent? { last[Subject(kind: kind, key: key)] }

    private func reaches(_ seconds: Int64) -> Bool { reach == .min || seconds > reach / 1000 }

    /// The last events of objects that don't exist and, by the log, were not removed.
    private func gone(_ kind: AgentEvent.Kind, _ there: Set<String>) -> [AgentEvent] {
        last.filter { $0.key.kind == kind && !there.contains($0.key.key) && $0.value.what != "removed" }.map(\.value)
            .sorted { $0.sequence < $1.sequence }
    }
}

extension EventLog {
    func record(_ kind: AgentEvent.Kind, missing: [MissingEvents.Event]) {
        for event in missing { record(kind, event.name, id: event.id, event.what, reason: MissingEvents.reason) }
    }
}
