import AgentAPI
import Spec

/// Jobs that have no replicas for a while though they are wanted: while the host is drained, and while its scheduler is away.
extension JobManager {
    /// - Parameter reason: nil: the host takes tasks again.
    func drain(_ reason: String?) {
        drainReason = reason
        wake()
        changes.signal()
    }

    /// What is known of the scheduler from here on.
    func follow(_ link: SchedulerLink) {
        scheduler = link
        wake()
    }

    /// The jobs that the scheduler assigned, as it wanted them last.
    func assigned() -> [String: JobSpec] {
        jobs.mapValues(\.job).filter { $0.value.isAssigned == true && !$0.value.isRemoved }.mapValues(\.requested)
    }

    /// Finds out which jobs are held now. Returns when the next one will be.
    func hold(at now: Int64) -> Int64? {
        var next: Int64?
        for name in jobs.keys {
            guard let job = jobs[name]?.job else { continue }
            var reason = drainReason.map { "this host is being drained: \($0)" } ?? superseded(job)
            if let end = scheduler?.end(stopAfter: job.spec.stopWithoutScheduler) {
                if end <= now {
                    let seconds = job.spec.stopWithoutScheduler ?? 0
                    let since = scheduler?.contact == nil ? "since the host's start" : "for \(seconds) s"
                    reason = reason ?? "the scheduler has been away \(since)"
                } else {
                    next = min(next ?? end, end)
                }
            }
            guard reason != job.held else { continue }
            jobs[name]?.job.held = reason
            if let reason, job.held == nil { report(name, "held", reason) }
            if reason == nil, job.held != nil { report(name, "released", "what held it has passed") }
        }
        return next
    }

    /// Why a job mustn't come up again after the scheduler's absence: what that decided meanwhile isn't done yet.
    private func superseded(_ job: Job) -> String? {
        guard job.isAssigned == true, let scheduler, !scheduler.isBuiltIn, let all = scheduler.memory.assignments else {
            return nil
        }
        guard let assigned = all.last(where: { $0.name == job.name }) else { return "the scheduler assigns it no more" }
        if job.held != nil, assigned.replicas < job.spec.replicas { return "the scheduler assigns fewer replicas now" }
        return nil
    }

    /// Refuses what people want of a job that is the scheduler's.
    func requireOwn(_ name: String, assigned: Bool) throws {
        guard let job = jobs[name]?.job, !job.isRemoved else { return }
        let isAssigned = job.isAssigned == true && scheduler?.isBuiltIn == false
        if isAssigned, !assigned {
            throw AgentError(
                .conflict, "the job '\(name)' was assigned by this host's scheduler; change it there, with its own commands")
        }
        if assigned, job.isAssigned != true {
            throw AgentError(.conflict, "there is a job '\(name)' that was applied on the host itself: dish job rm \(name)")
        }
    }
}
