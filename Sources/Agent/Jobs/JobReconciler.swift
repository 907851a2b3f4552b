/// What is to be done for a job, as a pure function of what it shall be, its tasks as they are, and the time
/// (docs/jobs.md, "The reconciler").
///
/// It is asked after each change and does at most what is safe now: nothing waits inside it. Times are milliseconds of a
/// clock that only goes forward.
struct JobReconciler: Sendable, Codable, Equatable {
    /// What the job shall be.
    struct Goal: Sendable, Equatable {
        /// The target version.
        var version: Int
        /// 0 for a job that is stopped or removed.
        var replicas: Int
        var batch = 1
        var startsFirst = true
        var deadline: Int64 = 120_000
        var pause: Int64 = 0
        /// For how long a replica must have been ready to count in an update.
        var minReady: Int64 = 0
        /// Versions with the target's template, itself included: their replicas needn't be replaced.
        var alike: Set<Int>
        /// The version to go back to when this one fails; nil: none.
        var fallback: Int?
        var outcome = Outcome.pending
        /// Whether no replica may start: a dependency isn't there.
        var isBlocked = false
        /// Whether a replica that failed is kept as it is.
        var keepsFailed = false

        enum Outcome: Sendable, Equatable {
            case pending, healthy, failed
        }
    }

    /// A task of the job.
    struct Replica: Sendable, Equatable {
        enum State: Sendable, Equatable {
            /// On its way to be ready, with what was wrong last.
            case unready(String?)
            case ready
            /// On its way out.
            case leaving
            /// It was allowed to end, and did.
            case done
            case failed(String)
        }

        var id: String
        var number: Int
        var version: Int
        var state: State
        /// The number of runs of its task that have ended.
        var ends = 0
        /// True if its restart policy started it since, or will.
        var isRestarted = false
        /// The end of its last run.
        var lastEnd: String?
    }

    enum Action: Sendable, Equatable {
        case start(number: Int)
        case stop(id: String)
        /// Take away what has ended.
        case remove(id: String)
        case markHealthy
        case markFailed(String)
        case rollBack(to: Int, reason: String)
    }

    /// How many replicas of the target's template are wanted at present: grows batch by batch; nil before the first look.
    private(set) var current: Int?
    private var version = 0
    private var batchStart: Int64 = 0
    private var pauseEnd: Int64?
    /// Failures in a row, when the last one was, and when the next start may be.
    private(set) var failures = 0
    private var lastFailure: Int64 = 0
    private(set) var retryAt: Int64 = 0
    private(set) var lastFailureReason: String?
    /// Failed tasks that have been counted.
    private var counted: Set<String> = []
    /// The state of the target's replicas while it is new; nil before the first look.
    private var trial: JobTrial?

    /// Restarts that fail a version with nothing to go back to.
    static let restartLimit = 3
    /// Milliseconds after which failures are forgotten.
    static let forgetting: Int64 = 600_000
    static let longestBackoff: Int64 = 300_000

    /// - Parameters:
    ///   - taken: numbers that replicas can't have, since other tasks have their names.
    /// - Returns: the actions, and when to ask again even if nothing changes.
    mutating func reconcile(
        _ goal: Goal, _ replicas: [Replica], taken: Set<Int> = [], now: Int64
    ) -> (actions: [Action], wake: Int64?) {
        if version != goal.version {
            (version, current, pauseEnd, failures, retryAt, lastFailureReason) = (goal.version, nil, nil, 0, now, nil)
            batchStart = now
            trial = (trial ?? JobTrial()).ofNextVersion(replicas)
        }
        var trial = trial ?? JobTrial().ofNextVersion(replicas)
        trial.look(at: replicas, of: goal.alike, now: now)
        self.trial = trial
        var sorted = Sorted(replicas, goal, settled: trial.settled(replicas, after: goal.minReady, now: now))
        var actions = removals(&sorted, goal, now)
        guard goal.replicas > 0 else {
            current = nil
            actions += (sorted.target + sorted.old).filter(\.isAlive).map { .stop(id: $0.id) }
            if goal.outcome != .healthy, replicas.isEmpty { actions.append(.markHealthy) }
            return (actions, nil)
        }
        let pauseWake = advance(sorted, goal, now)
        actions += stops(&sorted, goal)
        let startWake = starts(sorted, goal, replicas, taken, now, &actions)
        let verdictWake = judge(sorted, goal, now, &actions)
        let settledWake = trial.nextSettling(sorted.target, after: goal.minReady, now: now)
        return (actions, [pauseWake, startWake, verdictWake, settledWake].compactMap { $0 }.min())
    }

    /// Something went wrong before there was a task.
    mutating func startFailed(_ reason: String, now: Int64) {
        if now - lastFailure > Self.forgetting { failures = 0 }
        failures += 1
        lastFailure = now
        lastFailureReason = reason
        retryAt = now + min(Self.longestBackoff, 1000 << Int64(min(failures - 1, 20)))
    }

    /// Replicas by what they are to the target.
    private struct Sorted {
        /// Of the target's template; also done ones, and failed ones that are kept.
        var target: [Replica] = []
        var old: [Replica] = []
        var leaving: [Replica] = []
        var ended: [Replica] = []

        /// Ids of those that have been ready for long enough.
        let settled: Set<String>

        init(_ replicas: [Replica], _ goal: Goal, settled: Set<String>) {
            self.settled = settled
            for replica in replicas {
                let isTarget = goal.alike.contains(replica.version)
                switch replica.state {
                case .leaving: leaving.append(replica)
                case .unready, .ready: if isTarget { target.append(replica) } else { old.append(replica) }
                case .done where isTarget && goal.replicas > 0: target.append(replica)
                case .failed where isTarget && goal.keepsFailed && goal.replicas > 0: target.append(replica)
                case .done, .failed: ended.append(replica)
                }
            }
        }

        /// Those that an update may count on.
        var ready: Int { target.count { $0.isReady && settled.contains($0.id) } }

        /// What may still hold what a replica has: a volume, an address.
        var going: Int { leaving.count + ended.count }
    }

    /// What has ended goes, and failures make the next start wait.
    private mutating func removals(_ sorted: inout Sorted, _ goal: Goal, _ now: Int64) -> [Action] {
        counted.formIntersection(sorted.ended.map(\.id))
        for replica in sorted.ended where goal.alike.contains(replica.version) && goal.replicas > 0 {
            guard case .failed(let reason) = replica.state, counted.insert(replica.id).inserted else { continue }
            startFailed(reason, now: now)
            trial?.count(replica, reason)
        }
        return sorted.ended.map { .remove(id: $0.id) }
    }

    /// Lets the next batch begin when it may. Returns the end of a pause.
    private mutating func advance(_ sorted: Sorted, _ goal: Goal, _ now: Int64) -> Int64? {
        guard !sorted.old.isEmpty else {
            // Nothing is left to protect.
            if current != goal.replicas { (current, batchStart, pauseEnd) = (goal.replicas, now, nil) }
            return nil
        }
        guard let before = current else {
            (current, batchStart) = (min(goal.replicas, sorted.ready + goal.batch), now)
            return nil
        }
        let current = min(before, goal.replicas)
        self.current = current
        guard current < goal.replicas, sorted.ready >= current, sorted.old.count <= goal.replicas - current else { return nil }
        let end = pauseEnd ?? now + goal.pause
        guard now >= end else {
            pauseEnd = end
            return end
        }
        (self.current, batchStart, pauseEnd) = (min(goal.replicas, current + goal.batch), now, nil)
        return nil
    }

    /// Old replicas that new ones have taken the place of, or are to; and those beyond the number that is wanted.
    private func stops(_ sorted: inout Sorted, _ goal: Goal) -> [Action] {
        let current = current ?? 0
        // Also when new ones that were ready are so no more.
        var kept = goal.replicas - (goal.startsFirst ? sorted.ready : min(current, sorted.ready + goal.batch))
        // Without the new ones there is nothing to make room for.
        if !goal.startsFirst, goal.isBlocked { kept = max(kept, goal.replicas - sorted.ready) }
        return Self.trim(&sorted.old, to: max(0, kept), &sorted.leaving)
            + Self.trim(&sorted.target, to: goal.replicas, &sorted.leaving)
    }

    /// Those that serve stay, and those with small numbers.
    private static func trim(_ replicas: inout [Replica], to count: Int, _ all: inout [Replica]) -> [Action] {
        guard replicas.count > count else { return [] }
        replicas.sort { ($0.isReady ? 0 : 1, $0.number) < ($1.isReady ? 0 : 1, $1.number) }
        let leaving = Array(replicas[count...])
        replicas.removeLast(leaving.count)
        all += leaving
        return leaving.map { $0.isAlive ? .stop(id: $0.id) : .remove(id: $0.id) }
    }

    /// Starts what is missing. Returns when to try again.
    private mutating func starts(
        _ sorted: Sorted, _ goal: Goal, _ all: [Replica], _ taken: Set<Int>, _ now: Int64, _ actions: inout [Action]
    ) -> Int64? {
        var missing = (current ?? 0) - sorted.target.count
        guard missing > 0 else { return nil }
        let alive = sorted.target.count + sorted.old.count
        if goal.startsFirst {
            if !sorted.old.isEmpty { missing = min(missing, goal.replicas + goal.batch - alive) }
        } else {
            missing = min(missing, goal.replicas - alive - sorted.going)
        }
        if goal.isBlocked || missing <= 0 {
            // It isn't the new version's fault.
            batchStart = now
            return nil
        }
        guard failures == 0 || now >= retryAt else { return retryAt }
        var used = taken.union(all.map(\.number))
        var number = 1
        for _ in 0..<missing {
            while !used.insert(number).inserted { number += 1 }
            actions.append(.start(number: number))
        }
        return nil
    }

    /// Says what is to be said of the version. Returns the end of its time.
    private func judge(_ sorted: Sorted, _ goal: Goal, _ now: Int64, _ actions: inout [Action]) -> Int64? {
        let current = current ?? 0
        if sorted.ready >= goal.replicas, sorted.old.isEmpty, current == goal.replicas {
            if goal.outcome != .healthy { actions.append(.markHealthy) }
            return nil
        }
        guard goal.outcome == .pending, sorted.ready < current else { return nil }
        let failed = sorted.target.contains { if case .failed = $0.state { true } else { false } }
        let crash = trial?.crash(limit: goal.fallback == nil ? Self.restartLimit : 1)
        let time = goal.deadline + goal.minReady
        let end = batchStart + time
        guard now >= end || failed || crash != nil else { return end }
        let reason = crash ?? reason(sorted, ready: sorted.ready, of: current, within: failed ? nil : time / 1000)
        if let fallback = goal.fallback {
            // The other version decides what becomes of the replicas.
            actions = actions.filter { if case .remove = $0 { true } else { false } }
            actions.append(.rollBack(to: fallback, reason: reason))
        } else {
            actions.append(.markFailed(reason))
        }
        return nil
    }

    private func reason(_ sorted: Sorted, ready: Int, of wanted: Int, within seconds: Int64?) -> String {
        let details = sorted.target.compactMap { replica -> String? in
            switch replica.state {
            case .unready(let reason): "replica \(replica.number): \(reason ?? "not ready yet")"
            case .failed(let reason): "replica \(replica.number): \(reason)"
            case .ready where !sorted.settled.contains(replica.id): "replica \(replica.number): not ready for long enough"
            default: nil
            }
        }
        let last = details.first ?? lastFailureReason.map { "the last one: \($0)" }
        return "\(ready) of \(wanted) new replicas were ready\(seconds.map { " after \($0) s" } ?? "")"
            + (last.map { "; \($0)" } ?? "")
    }
}

extension JobReconciler.Replica {
    var isReady: Bool { state == .ready || state == .done }

    var isAlive: Bool {
        switch state {
        case .unready, .ready: true
        case .leaving, .done, .failed: false
        }
    }
}
