import AgentAPI
import Spec

/// What is told of a job.
extension JobManager {
    func describe(_ managed: Managed, _ seen: [TaskStatus]) -> JobStatus {
        let job = managed.job
        let tasks = Dictionary(seen.map { ($0.id, $0) }) { first, _ in first }
        let all = self.replicas(of: managed, seen).sorted { ($0.number, $0.id) < ($1.number, $1.id) }
        let replicas = all.map { replica in
            let task = tasks[replica.id]
            return JobStatus.Replica(
                name: task?.name ?? Job.replicaName(job.name, replica.number), version: replica.version,
                state: task?.state ?? .preparing, isReady: replica.isReady, isLeaving: replica.state == .leaving,
                reason: replica.reason, id: task?.id, address: task?.address)
        }
        let alike = job.alike
        let ready = all.count(where: \.isReady)
        let updated = all.count { $0.isReady && alike.contains($0.version) }
        let hasOld = all.contains { $0.isAlive && !alike.contains($0.version) }
        let batch = job.spec.update.batch
        func batches(_ replicas: Int) -> Int { (replicas + batch - 1) / batch }
        let (state, reason) = state(managed, all, updated: updated, ready: ready)
        var status = JobStatus(
            name: job.name, version: job.target.number, state: state, reason: reason, wanted: job.wanted, ready: ready,
            updated: updated, batch: hasOld && job.wanted > 0 ? managed.machine.current.map(batches) : nil,
            batches: hasOld && job.wanted > 0 ? batches(job.wanted) : nil, replicas: replicas, spec: job.spec)
        status.isAssigned = job.isAssigned
        return status
    }

    private func state(
        _ managed: Managed, _ replicas: [JobReconciler.Replica], updated: Int, ready: Int
    ) -> (JobStatus.State, String?) {
        let job = managed.job
        if job.isRemoved { return (.removing, nil) }
        if job.isStopped { return (replicas.isEmpty ? .stopped : .stopping, nil) }
        if let held = job.held { return (.waiting, held) }
        // What a replica says, or why there is none.
        let fault = replicas.lazy.compactMap(\.reason).first ?? managed.machine.lastFailureReason
        if let blocked = managed.blocked, updated < job.wanted { return (.waiting, blocked) }
        switch job.target.outcome {
        case .failed: return (.failed, job.target.outcomeReason)
        case .pending: return (.updating, fault)
        case .healthy: return updated >= job.wanted ? (.running, nil) : (.degraded, fault)
        }
    }
}

extension JobReconciler.Replica {
    /// What is wrong with it.
    var reason: String? {
        switch state {
        case .unready(let reason): reason
        case .failed(let reason): reason
        case .ready, .leaving, .done: nil
        }
    }
}
