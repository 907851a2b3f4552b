import AgentAPI
import Linux
import Logging
import Networks
import Spec

/// The loop's turn: look, decide, do.
extension JobManager {
    /// How many replicas are being started at a time.
    private static let startLimit = 16

    /// Does for all jobs what is to be done now. Returns when to look again if nothing changes.
    func reconcile() async -> Int64? {
        let seen = await look()
        let before = jobs.mapValues(\.machine)
        var stops: [(job: String, id: String, drains: Bool)] = []
        var removals: [(job: String, id: String)] = []
        var starts: [(job: String, number: Int)] = []
        var verdicts: [(job: String, version: Int, action: JobReconciler.Action)] = []
        var wakes: [Int64] = []
        // What is started while this turn waits for something isn't among the tasks that it has seen.
        let gone = jobs.keys.filter { isGone($0, seen) }
        if let wake = hold(at: HostClock.now) { wakes.append(wake) }
        for name in jobs.keys.sorted() {
            guard var managed = jobs[name] else { continue }
            managed.blocked = blocked(managed.job, seen)
            var goal = managed.job.goal(isBlocked: managed.blocked != nil, minReady: configuration.minReady)
            // Two versions can't both have what one task writes to.
            if managed.job.writesAlone(to: ownVolumes) { goal.startsFirst = false }
            let result = managed.machine.reconcile(
                goal, replicas(of: managed, seen), taken: taken(name, seen), now: HostClock.now)
            if let wake = result.wake { wakes.append(wake) }
            for action in result.actions {
                switch action {
                case .start(let number):
                    guard jobs.values.reduce(0, { $0 + $1.starting.count }) + starts.count < Self.startLimit else { continue }
                    managed.starting[number] = managed.job.target.number
                    starts.append((name, number))
                case .stop(let id):
                    // One that is only being started is met on another turn.
                    guard seen.contains(where: { $0.id == id }) else { continue }
                    managed.leaving.insert(id)
                    stops.append((name, id, goal.replicas > 0 || managed.job.held != nil))
                case .remove(let id):
                    managed.leaving.insert(id)
                    removals.append((name, id))
                case .markHealthy, .markFailed, .rollBack: verdicts.append((name, goal.version, action))
                }
            }
            jobs[name] = managed
        }
        // Who is to stop has left ports and names before.
        if await !expose(seen) { wakes.append(HostClock.now + 5000) }
        for stop in stops { self.stop(stop.job, stop.id, drains: stop.drains) }
        for removal in removals { remove(removal.job, removal.id) }
        for start in starts { self.start(start.job, start.number) }
        for verdict in verdicts { await pass(verdict.action, on: verdict.job, verdict.version) }
        await keepProgress(since: before)
        for name in gone.sorted() { await forget(name) }
        changes.signal()
        return wakes.min()
    }

    /// The tasks, at a moment at which no start or stop has just ended unseen.
    private func look() async -> [TaskStatus] {
        while true {
            let before = completions
            let seen = await tasks.list()
            if before == completions { return seen }
        }
    }

    /// Numbers whose names other tasks have.
    private func taken(_ name: String, _ seen: [TaskStatus]) -> Set<Int> {
        Set(seen.filter { $0.owner?.job != name }.compactMap { Job.number(in: $0.name, of: name) })
    }

    /// The job's tasks as the reconciler sees them, with those that are being made.
    func replicas(of managed: Managed, _ seen: [TaskStatus]) -> [JobReconciler.Replica] {
        let name = managed.job.name
        var replicas = seen.compactMap { task -> JobReconciler.Replica? in
            guard let owner = task.owner, owner.job == name else { return nil }
            let number = Job.number(in: task.name, of: name) ?? owner.replica + 1
            let made = managed.job.version(owner.version)?.spec.task
            let state = managed.leaving.contains(task.id) ? .leaving : state(task, made ?? managed.job.spec.task)
            var replica = JobReconciler.Replica(id: task.id, number: number, version: owner.version, state: state)
            let isBetweenRuns = task.state == .restarting
            replica.ends = max(0, (task.generation ?? 1) - 1) + (isBetweenRuns ? 1 : 0)
            replica.isRestarted = isBetweenRuns || (task.restarts ?? 0) > 0
            replica.lastEnd = task.exit == nil ? task.reason : Self.end(of: task)
            return replica
        }
        let known = Set(replicas.map(\.number))
        for (number, version) in managed.starting where !known.contains(number) {
            replicas.append(.init(id: "starting \(number)", number: number, version: version, state: .unready(nil)))
        }
        return replicas
    }

    /// - Parameter request: what it was made from.
    private func state(_ task: TaskStatus, _ request: TaskRequest) -> JobReconciler.Replica.State {
        switch task.state {
        case .pending, .preparing, .starting: return .unready(task.reason)
        case .running:
            let isReady = exposure.isReady(task, isChecked: !request.health.isEmpty)
            return isReady ? .ready : .unready(task.health?.reason)
        case .restarting: return .unready(task.reason ?? "it ended and waits to be started again")
        case .stopping: return .leaving
        case .exited where task.exit?.code == 0 && request.restart.mode != .always: return .done
        case .exited, .failed: return .failed(Self.end(of: task))
        }
    }

    private static func end(of task: TaskStatus) -> String {
        if let reason = task.reason { return reason }
        guard let exit = task.exit else { return "it failed" }
        if exit.outOfMemory { return "it was killed for want of memory" }
        return exit.code.map { "exit code \($0)" } ?? "signal \(exit.signal ?? 0)"
    }

    /// Which dependency isn't there yet; nil when all are.
    private func blocked(_ job: Job, _ seen: [TaskStatus]) -> String? {
        for dependency in job.spec.dependsOn {
            guard let other = jobs[dependency.job] else { return "there is no job '\(dependency.job)'" }
            guard other.job.wanted > 0 else { return "the job '\(dependency.job)' has no replicas" }
            let there = replicas(of: other, seen).count { replica in
                if replica.isReady { return true }
                guard dependency.condition == .started, case .unready = replica.state else { return false }
                return seen.contains { $0.id == replica.id && $0.state == .running }
            }
            if there < other.job.wanted {
                return
                    "the job '\(dependency.job)' has \(there) of \(other.job.wanted) replicas \(dependency.condition == .ready ? "ready" : "started")"
            }
        }
        return nil
    }

    /// Brings ports and names up to date. False when that has to be tried again.
    private func expose(_ seen: [TaskStatus]) async -> Bool {
        let services = jobs.values.map { managed in
            let ready = Set(replicas(of: managed, seen).filter { $0.state == .ready }.map(\.id))
            return JobExposure.Service(
                job: managed.job.name, publish: managed.job.isRemoved ? [] : managed.job.spec.task.publish,
                replicas: seen.filter { ready.contains($0.id) })
        }
        // Only this loop changes it.
        var next = exposure
        defer { exposure = next }
        do {
            try await next.update(services, seen)
            return true
        } catch {
            logger.error("publish the ports of jobs", metadata: ["error": "\(error)"])
            return false
        }
    }

    /// Writes down how far each job has come, where that has changed.
    private func keepProgress(since before: [String: JobReconciler]) async {
        let changed = jobs.mapValues(\.machine).filter { before[$0.key] != $0.value }
        if changed.isEmpty { return }
        let progress = progress
        do {
            try await blocking { for (name, machine) in changed { try progress.write(machine, name) } }
        } catch {
            logger.error("write how far jobs have come", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Actions

    private func start(_ name: String, _ number: Int) {
        guard let job = jobs[name]?.job, !isShuttingDown else { return }
        let request = job.request(number: number)
        let layer = job.target.layer
        let because = "version \(job.target.number) of the job '\(name)'"
        Task {
            do {
                _ = try await tasks.start(request, layer: layer, because: because)
            } catch {
                if !isShuttingDown {
                    jobs[name]?.machine.startFailed("\(error)", now: HostClock.now)
                    report(name, "start failed", "\(request.name ?? ""): \(error)")
                }
            }
            jobs[name]?.starting[number] = nil
            finished()
        }
    }

    private func stop(_ name: String, _ id: String, drains: Bool) {
        guard let spec = jobs[name]?.job.spec else { return }
        Task {
            if drains, spec.drain > 0 { try? await Task.sleep(for: .seconds(spec.drain)) }
            do {
                _ = try await tasks.stop(id, timeout: spec.stopTimeout, because: "the job '\(name)' needs it no more")
            } catch {
                logger.error("stop a replica", metadata: ["job": "\(name)", "task": "\(id)", "error": "\(error)"])
            }
            await takeAway(name, id)
        }
    }

    private func remove(_ name: String, _ id: String) {
        Task { await takeAway(name, id) }
    }

    private func takeAway(_ name: String, _ id: String) async {
        do {
            try await tasks.remove(id, force: true, because: "the job '\(name)' needs it no more")
        } catch let error as AgentError where error.code == .notFound {
        } catch {
            logger.error("remove a replica", metadata: ["job": "\(name)", "task": "\(id)", "error": "\(error)"])
            // It is seen again, and tried again, but not at once.
            try? await Task.sleep(for: .seconds(2))
        }
        jobs[name]?.leaving.remove(id)
        finished()
    }

    private func finished() {
        completions += 1
        wake()
    }

    /// What the reconciler says of a version. Somebody may have applied another meanwhile.
    private func pass(_ verdict: JobReconciler.Action, on name: String, _ number: Int) async {
        guard let job = jobs[name]?.job, !job.isStopped, !job.isRemoved, job.held == nil else { return }
        do {
            switch verdict {
            case .markHealthy:
                jobs[name]?.job.judge(.healthy, nil, of: number)
                report(name, "healthy", "all replicas of version \(number) are ready")
            case .markFailed(let reason):
                jobs[name]?.job.judge(.failed, reason, of: number)
                report(name, "failed", "version \(number): \(reason)")
            case .rollBack(let fallback, let reason):
                guard job.target.number == number, let earlier = job.version(fallback) else { return }
                let why = "version \(number) failed: \(reason)"
                let version: JobVersion
                do {
                    version = try await self.version(like: earlier, of: job, reason: why, isAutomatic: true)
                } catch {
                    // It is tried on, as where there is nothing to go back to.
                    jobs[name]?.job.judge(.failed, "\(reason); and can't go back: \(error)", of: number)
                    report(name, "failed", "version \(number): \(reason); and can't go back: \(error)")
                    return try await save(name)
                }
                guard jobs[name]?.job.target.number == number else { return }
                jobs[name]?.job.judge(.failed, reason, of: number)
                try jobs[name]?.job.add(version)
                report(name, "rolled back", "\(why); back to version \(fallback), as version \(version.number)")
                await reservePorts()
            default: return
            }
            try await save(name)
        } catch {
            logger.error("keep a job", metadata: ["job": "\(name)", "error": "\(error)"])
            saveLater(name)
        }
        wake()
    }

    /// Writes down what has become of a job once that can be.
    private func saveLater(_ name: String) {
        Task {
            try? await Task.sleep(for: .seconds(2))
            do { try await save(name) } catch { saveLater(name) }
        }
    }

    /// Whether the last replica of a removed job has gone.
    private func isGone(_ name: String, _ seen: [TaskStatus]) -> Bool {
        guard let managed = jobs[name] else { return false }
        return managed.job.isRemoved && managed.starting.isEmpty && managed.leaving.isEmpty
            && !seen.contains { $0.owner?.job == name }
    }

    /// Removes what is left of a job whose last replica has gone.
    private func forget(_ name: String) async {
        let (store, progress) = (store, progress)
        do {
            try await blocking {
                try store.remove(name)
                progress.remove(name)
            }
        } catch {
            return logger.error("forget a job", metadata: ["job": "\(name)", "error": "\(error)"])
        }
        jobs[name] = nil
        await reservePorts()
        await keepLayers()
    }
}
