/// The behaviour of a new version's replicas while an update looks at them: since when each is ready, and how often they ended.
///
/// Times are those of `JobReconciler`.
struct JobTrial: Sendable, Codable, Equatable {
    private struct Ready: Sendable, Codable, Equatable {
        let ends: Int
        let since: Int64
    }

    /// By replica.
    private var ready: [String: Ready] = [:]
    /// Ended runs of each replica that have been seen.
    private var seen: [String: Int] = [:]
    /// The number of ends of replicas by themselves, and the last one's.
    private var ends = 0
    private var lastEnd = ""

    /// The same for the next version: replicas that stay are as ready as they were, and what they did before is not held against it.
    func ofNextVersion(_ replicas: [JobReconciler.Replica]) -> JobTrial {
        var next = JobTrial()
        next.ready = ready
        for replica in replicas { next.seen[replica.id] = replica.ends }
        return next
    }

    /// Takes note of the replicas as they are.
    ///
    /// - Parameter versions: those whose replicas belong to the new version.
    mutating func look(at replicas: [JobReconciler.Replica], of versions: Set<Int>, now: Int64) {
        let ids = Set(replicas.map(\.id))
        ready = ready.filter { ids.contains($0.key) }
        seen = seen.filter { ids.contains($0.key) }
        for replica in replicas {
            if !replica.isReady {
                ready[replica.id] = nil
            } else if ready[replica.id]?.ends != replica.ends {
                ready[replica.id] = Ready(ends: replica.ends, since: now)
            }
            let before = seen[replica.id] ?? 0
            seen[replica.id] = replica.ends
            // One that somebody restarted did nothing wrong.
            guard replica.ends > before, replica.isRestarted, versions.contains(replica.version), replica.state != .leaving
            else { continue }
            ends += replica.ends - before
            lastEnd = "replica \(replica.number) did not stay up: \(replica.lastEnd ?? "it was started again")"
        }
    }

    /// Counts a replica that has ended for good.
    mutating func count(_ replica: JobReconciler.Replica, _ reason: String) {
        ends += 1
        lastEnd = "replica \(replica.number) did not stay up: \(reason)"
    }

    /// Ids of the replicas that have been ready for some time. One that is done stays so.
    func settled(_ replicas: [JobReconciler.Replica], after time: Int64, now: Int64) -> Set<String> {
        Set(replicas.filter { $0.state == .done || ready[$0.id].map { now >= $0.since + time } ?? false }.map(\.id))
    }

    /// When the next one will have been ready for so long; nil when none is on its way to that.
    func nextSettling(_ replicas: [JobReconciler.Replica], after time: Int64, now: Int64) -> Int64? {
        replicas.compactMap { $0.state == .done ? nil : ready[$0.id].map { $0.since + time } }.filter { $0 > now }.min()
    }

    /// Why the version has failed, if its replicas ended so often.
    func crash(limit: Int) -> String? {
        guard ends >= limit else { return nil }
        return ends == 1 ? lastEnd : "its replicas ended \(ends) times; \(lastEnd)"
    }
}
