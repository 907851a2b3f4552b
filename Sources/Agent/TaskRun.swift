import AgentAPI
import Spec

/// What shall become of a task, beside its intent, and how often it has been started: written to its state directory before
/// anything is done about it. A task that has been started once, and that nobody has asked anything of since, has none.
struct TaskRun: Sendable, Codable, Equatable {
    /// What shall be once the current run has ended.
    enum Wish: String, Sendable, Codable {
        /// It shall run; when it ends by itself its policy decides.
        case run
        /// It shall not run.
        case rest
        /// It is being ended so that it can be started again.
        case again
        /// It is being ended because it isn't well; its policy decides.
        case replace
        case remove
    }

    /// The root file system shall be another one, as soon as nothing runs on it.
    struct Rollback: Sendable, Codable, Equatable {
        /// The snapshot; nil for the image.
        let snapshot: String?
        /// What the root that it takes the place of is kept as.
        let keptAs: String
    }

    /// The number of the current run, from 1. It only grows: helpers and records say which run they belong to.
    var generation = 1
    var wish = Wish.run
    /// Why, where that isn't plain.
    var reason: String?
    /// Why it was given up, if it was: it stays failed until somebody asks for it to run.
    var givenUp: String?
    /// Within how many seconds the current run has been asked to end.
    var stop: UInt32?
    /// When that time is over, in milliseconds of the host's clock; nil in files of agents that didn't note it.
    var stopBy: Int64?
    /// When the next run begins, in milliseconds of the clock of `boot`; nil while that isn't decided.
    var due: Int64?
    /// The start of the host that `due` and `history` belong to; nil for that of the intent.
    var boot: String?
    var history = RestartHistory()
    var rollback: Rollback?
}

/// When a task's policy has started it again, and what comes next. Times are milliseconds of a clock that only goes forward.
struct RestartHistory: Sendable, Codable, Equatable {
    /// How often, since somebody last asked for the task to run.
    private(set) var count = 0
    /// How many of them in a row followed a short run.
    private(set) var streak = 0
    /// Those that still count against the limit.
    private(set) var times: [Int64] = []

    enum Decision: Equatable {
        /// Start it again at that time.
        case restart(at: Int64)
        case giveUp(String)
    }

    /// Decides about a task that has just ended, and notes it.
    ///
    /// - Parameters:
    ///   - ranFor: milliseconds.
    ///   - counts: whether it is the task's own failure: a host that can't start it is tried again for as long as it takes.
    mutating func decide(_ policy: RestartPolicy, now: Int64, ranFor: Int64, counts: Bool = true) -> Decision {
        if ranFor >= Self.milliseconds(policy.resetAfter) { streak = 0 }
        if let attempts = policy.attempts, counts {
            times.removeAll { $0 <= now - Self.milliseconds(policy.window) }
            guard times.count < attempts else {
                return .giveUp(
                    "it was started again \(attempts) times within \(Self.shown(policy.window)), and its policy allows no more")
            }
            times.append(now)
        }
        // Longer doublings than any pause would overflow.
        let pause = policy.backoff * Double(UInt64(1) << UInt64(min(streak, 32)))
        streak += 1
        count += 1
        return .restart(at: now + Self.milliseconds(min(pause, policy.longestBackoff)))
    }

    /// After a start of the host its clock begins anew: what was noted in the old one tells nothing, and who waited then needn't now.
    mutating func hostHasStarted() {
        (streak, times) = (0, [])
    }

    private static func milliseconds(_ seconds: Double) -> Int64 { Int64(max(0, min(seconds, 1e9)) * 1000) }

    private static func shown(_ seconds: Double) -> String { seconds.rounded() == seconds ? "\(Int(seconds)) s" : "\(seconds) s" }
}
