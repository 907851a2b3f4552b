import AgentAPI
import Layers
import Spec

/// A job as it is kept on disk: what it shall be, and its history.
struct Job: Sendable, Codable, Equatable {
    let name: String
    /// In the order they were made; the last one is the target.
    private(set) var versions: [JobVersion]
    /// Asked for by people: no replicas until it is applied again.
    var isStopped = false
    /// It goes when its last replica has gone.
    var isRemoved = false
    /// Whether the host's scheduler wants it, rather than people here.
    var isAssigned: Bool?
    /// Why it has no replicas for a while though it is wanted; found out anew at each turn.
    var held: String?

    static let historyLimit = 20

    init(first version: JobVersion) {
        name = version.spec.name
        versions = [version]
    }

    var target: JobVersion { versions[versions.count - 1] }

    var spec: JobSpec { target.spec }

    /// How many replicas there shall be.
    var wanted: Int { isStopped || isRemoved || held != nil ? 0 : spec.replicas }

    /// What was asked for last, though the agent may have gone back from it by itself.
    var requested: JobSpec { (versions.last { !$0.isAutomatic } ?? target).spec }

    func version(_ number: Int) -> JobVersion? { versions.first { $0.number == number } }

    /// The last healthy version before the target whose replicas would differ in anything from the target's.
    var fallback: JobVersion? {
        versions.dropLast().last { $0.outcome == .healthy && !($0.spec == spec && $0.layer == target.layer) }
    }

    /// - Throws: `AgentError` `.conflict` for a version that was made when another one was the target.
    mutating func add(_ version: JobVersion) throws(AgentError) {
        guard version.number == target.number + 1 else {
            throw AgentError(
                .conflict,
                "somebody else applied version \(target.number) of the job '\(name)' meanwhile; see: dish job history \(name)")
        }
        versions.append(version)
        // The last healthy one is what a failed one goes back to.
        while versions.count > Self.historyLimit, let index = versions.firstIndex(where: { $0.number != fallback?.number }) {
            versions.remove(at: index)
        }
    }

    /// Says what became of a version, which may not be the target any more.
    mutating func judge(_ outcome: JobVersion.Outcome, _ reason: String?, of number: Int) {
        guard let index = versions.firstIndex(where: { $0.number == number }) else { return }
        (versions[index].outcome, versions[index].outcomeReason) = (outcome, reason)
    }

    /// The versions whose replicas are as good as the target's.
    var alike: Set<Int> { Set(versions.filter { $0.hasTemplate(of: target) }.map(\.number)) }

    /// - Parameter minReady: seconds that a replica must have been ready for, where the job doesn't say.
    func goal(isBlocked: Bool, minReady: Int) -> JobReconciler.Goal {
        let update = spec.update
        var goal = JobReconciler.Goal(version: target.number, replicas: wanted, alike: alike)
        goal.batch = update.batch
        goal.startsFirst = update.order == .startFirst
        goal.deadline = Int64(update.deadline) * 1000
        goal.pause = Int64(update.pause) * 1000
        goal.minReady = Int64(update.minReady ?? minReady) * 1000
        // What the agent went back to isn't left again by itself.
        goal.fallback = update.rollback && !target.isAutomatic ? fallback?.number : nil
        goal.outcome =
            switch target.outcome {
            case .pending: .pending
            case .healthy: .healthy
            case .failed: .failed
            }
        goal.isBlocked = isBlocked
        goal.keepsFailed = spec.task.restart.mode == .no
        return goal
    }

    /// Tells whether a replica of it, or of the version that it may go back to, writes to one of these volumes.
    func writesAlone(to volumes: Set<String>) -> Bool {
        [target, fallback].compactMap { $0 }.contains { version in
            version.spec.task.volumes.contains { !$0.readOnly && volumes.contains($0.volume) }
        }
    }

    /// What a replica is started with.
    func request(number: Int) -> TaskRequest {
        var request = spec.task
        request.name = Self.replicaName(name, number)
        request.owner = TaskOwner(job: name, version: target.number, replica: number - 1)
        request.publish = []
        return request
    }

    static func replicaName(_ job: String, _ number: Int) -> String { "\(job)-\(number)" }

    /// The number in a name that a replica could have; nil for any other.
    static func number(in name: String, of job: String) -> Int? {
        guard name.hasPrefix("\(job)-"), let number = Int(name.dropFirst(job.utf8.count + 1)), number > 0 else { return nil }
        return replicaName(job, number) == name ? number : nil
    }
}

extension JobVersion {
    /// Whether a replica of one needn't be replaced by one of the other.
    func hasTemplate(of other: JobVersion) -> Bool {
        func template(_ version: JobVersion) -> TaskRequest {
            var request = version.spec.task
            request.publish = []
            return request
        }
        return layer == other.layer && template(self) == template(other)
    }
}
