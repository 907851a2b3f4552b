import AgentAPI
import Spec

/// How this host stands to its scheduler: whose word counts, and what holds while there is none (docs/heartbeat.md). No I/O;
/// times are milliseconds of the host's clock, which goes on while it sleeps and isn't set.
struct SchedulerLink: Sendable, Equatable {
    /// What outlives the agent and the host's boots.
    struct Memory: Sendable, Codable, Equatable {
        /// The highest epoch that was accepted: none below it ever is.
        var epoch: UInt64 = 0
        var revision: UInt64 = 0
        /// Who has that epoch.
        var scheduler: String?
        var refusals: UInt64 = 0
        /// What was assigned last; nil: nothing ever was.
        var assignments: [JobSpec]?
    }

    enum Event: Sendable, Equatable {
        /// - Parameter sent: when the heartbeat was: what was assigned then held from then on, however late the answer is.
        case answered(HeartbeatAnswer, sequence: UInt64, sent: Int64)
        case failed(String)
    }

    enum Action: Sendable, Equatable {
        /// Write the memory down before anything else is done.
        case remember
        /// Bring the jobs to what is in the memory.
        case assign
        case report(what: String, reason: String)
    }

    let isBuiltIn: Bool
    private(set) var memory: Memory
    /// When the last heartbeat was sent whose answer counts; nil: none since the host's start.
    private(set) var contact: Int64?
    /// Whether an answer counts only if it says what is assigned.
    private(set) var needsAssignments = true
    private(set) var failure: String?
    /// Milliseconds between heartbeats.
    private(set) var interval: Int64
    private var isReportedAway = false

    init(isBuiltIn: Bool, memory: Memory, contact: Int64?, interval: Int64) {
        self.isBuiltIn = isBuiltIn
        self.memory = memory
        self.contact = contact
        self.interval = interval
    }

    mutating func handle(_ event: Event, at now: Int64) -> [Action] {
        guard !isBuiltIn else { return [] }
        switch event {
        case .failed(let reason):
            failure = reason
            return away(now)
        case .answered(let answer, let sequence, let sent):
            if let refusal = refusal(of: answer, sequence) {
                failure = refusal
                guard answer.epoch < memory.epoch else { return away(now) }
                memory.refusals += 1
                return [.remember, .report(what: "scheduler refused", reason: refusal)] + away(now)
            }
            return accept(answer, sent, now)
        }
    }

    /// Why an answer doesn't count; nil when it does.
    private func refusal(of answer: HeartbeatAnswer, _ sequence: UInt64) -> String? {
        if answer.format != HostHeartbeat.currentFormat {
            return "its answer has the format \(answer.format), and this agent knows \(HostHeartbeat.currentFormat)"
        }
        if answer.sequence != sequence { return "it answered heartbeat \(answer.sequence) instead of \(sequence)" }
        if answer.epoch < memory.epoch {
            return
                "'\(answer.scheduler)' has the epoch \(answer.epoch), and '\(memory.scheduler ?? "another")' has had \(memory.epoch)"
        }
        if answer.epoch == memory.epoch, let scheduler = memory.scheduler, scheduler != answer.scheduler {
            return "'\(answer.scheduler)' and '\(scheduler)' both say that they have the epoch \(answer.epoch)"
        }
        if answer.epoch == memory.epoch, answer.revision < memory.revision {
            return "it knows revision \(answer.revision) of what is assigned, and this host has had \(memory.revision)"
        }
        return nil
    }

    private mutating func accept(_ answer: HeartbeatAnswer, _ sent: Int64, _ now: Int64) -> [Action] {
        var actions: [Action] = []
        let isNew = answer.epoch > memory.epoch
        let before = memory
        (memory.epoch, memory.scheduler) = (answer.epoch, answer.scheduler)
        // A new one may have decided otherwise.
        if isNew { needsAssignments = true }
        if let assignments = answer.assignments {
            (memory.assignments, memory.revision) = (assignments, answer.revision)
            needsAssignments = false
        } else if isNew {
            memory.revision = 0
        } else if isAway(sent) || answer.revision != memory.revision {
            // "As before" is an answer only to who was there, and knows it.
            needsAssignments = true
        }
        if memory != before { actions.append(.remember) }
        if let seconds = answer.interval { interval = Int64(min(max(seconds, 1), 300)) * 1000 }
        guard !needsAssignments else {
            failure = "it didn't say what is assigned to this host"
            return actions + away(now)
        }
        contact = max(contact ?? sent, sent)
        failure = nil
        if isReportedAway {
            isReportedAway = false
            actions.append(
                .report(what: "scheduler back", reason: "'\(answer.scheduler)' answers, with the epoch \(answer.epoch)"))
        }
        if answer.assignments != nil { actions.append(.assign) }
        return actions
    }

    /// What is said once when it has been silent too long.
    private mutating func away(_ now: Int64) -> [Action] {
        guard isAway(now) else { return [] }
        // What it wants may have changed meanwhile.
        needsAssignments = true
        guard !isReportedAway else { return [] }
        isReportedAway = true
        return [.report(what: "scheduler away", reason: failure ?? "it doesn't answer")]
    }

    /// Whether a heartbeat must be answered with what is assigned.
    func wantsAssignments(_ now: Int64) -> Bool { !isBuiltIn && (needsAssignments || isAway(now)) }

    /// Whether it has been silent for longer than a heartbeat or two may take.
    func isAway(_ now: Int64) -> Bool {
        if isBuiltIn { return false }
        return contact.map { now - $0 > 3 * interval } ?? true
    }

    /// From when on a job with such a key has no replicas; nil: never.
    ///
    /// After the host's start nobody knows how long it was away: such a job waits for the scheduler's word.
    func end(stopAfter seconds: Int?) -> Int64? {
        guard !isBuiltIn, let seconds else { return nil }
        return contact.map { $0 + Int64(seconds) * 1000 } ?? .min
    }
}
