import AgentAPI
import Spec
import TaskHelper

/// The life of one task as a pure function: events in, actions out (docs/tasks.md).
///
/// What must outlive the agent is in `run`: whoever performs the actions writes it down first when it has changed.
struct TaskMachine: Sendable, Equatable {
    enum State: Sendable, Equatable {
        /// Root, quota and network are being made, and a helper is being started.
        case preparing
        /// A helper has been told to start it; what it said last.
        case alive(RunningRecord?)
        /// It has ended; what is left of it is ended too, its network is given back, its root exchanged where that was asked for.
        case settling(End, then: Next)
        /// It will be started again.
        case waiting(End, until: Int64)
        case ended(End)
        /// Being taken away.
        case removing(End)
    }

    /// How it ended.
    enum End: Sendable, Equatable {
        case exited(ExitRecord)
        case failed(String)
    }

    /// What comes after an end.
    enum Next: Sendable, Equatable {
        case rest
        case start
        case restart(at: Int64)
        case remove
    }

    enum Event: Sendable {
        /// Everything that the container needs is there, and a helper waits for the word.
        case prepared
        /// Something that was being done for it went wrong.
        case failed(String)
        /// The host keeps it from running, which isn't its fault: by a pool that can't be written to, say, or by being restarted.
        case hindered(String)
        /// The agent ended before it was started.
        case neverStarted
        case helper(RunningRecord)
        case exited(ExitRecord)
        /// The helper is gone and has left no record.
        case helperLost
        /// What its end left to do is done.
        case settled
        /// Time has passed.
        case tick
        // Asked for by a client; seconds until it is killed.
        case start
        case stop(seconds: UInt32)
        case restart(seconds: UInt32)
        case rollBack(TaskRun.Rollback, seconds: UInt32)
        /// - Parameter kills: whether one that runs is killed first; else it must have ended.
        case remove(kills: Bool)
        /// A health check on which its life hangs has failed.
        case unhealthy(String, seconds: UInt32)
    }

    enum Action: Sendable, Equatable {
        /// Make what a new run needs, and start a helper for it.
        case prepare
        /// Tell the helper to start the container.
        case launch
        case tellHelper(stop: UInt32)
        /// End what may still run of it, give back what only a running task needs, and exchange the root.
        case settle(endsLeftovers: Bool, TaskRun.Rollback?)
        /// Send a `tick` at that time.
        case wake(at: Int64)
        /// Take everything of it away.
        case remove
    }

    private(set) var state: State
    private(set) var run: TaskRun
    /// The end of the last run of a task that was given up.
    private(set) var lastExit: ExitRecord?
    let policy: RestartPolicy
    /// Whether it is taken away when it ends.
    let removesWhenDone: Bool
    /// The start of the host that the times of events belong to.
    let boot: String?

    init(
        _ state: State = .preparing, run: TaskRun = TaskRun(), policy: RestartPolicy = RestartPolicy(), removesWhenDone: Bool,
        boot: String? = nil
    ) {
        self.state = state
        self.run = run
        self.policy = policy
        self.removesWhenDone = removesWhenDone
        self.boot = boot
    }

    /// - Parameter now: milliseconds of a clock that only goes forward, and begins with the host.
    mutating func handle(_ event: Event, at now: Int64) -> [Action] {
        // Nobody takes a removal back.
        if run.wish == .remove, event.isOvertakenByRemoval { return [] }
        return switch state {
        case .preparing: handlePreparing(event, now)
        case .alive(let record): handleAlive(record, event, now)
        case .settling(let end, let next): handleSettling(end, next, event, now)
        case .waiting(let end, let until): handleWaiting(end, until, event, now)
        case .ended(let end): handleEnded(end, event)
        case .removing(let end): handleRemoving(end, event)
        }
    }

    private mutating func handlePreparing(_ event: Event, _ now: Int64) -> [Action] {
        switch event {
        case .prepared where run.wish == .run:
            state = .alive(nil)
            return [.launch]
        case .prepared: return end(.failed("it was stopped before it started"), now, endsLeftovers: true)
        case .neverStarted: return neverStarted(now)
        case .failed(let reason): return end(.failed(reason), now, endsLeftovers: true)
        case .hindered(let reason): return end(.failed(reason), now, endsLeftovers: true, counts: false)
        case .exited(let record): return end(.exited(record), now)
        case .stop(let seconds): ask(.rest, seconds, now)
        case .rollBack(let rollback, let seconds):
            run.rollback = rollback
            ask(run.wish == .rest ? .rest : .again, seconds, now)
        // First it gets the root that was asked for.
        case .start where run.rollback != nil, .restart where run.rollback != nil: run.wish = .again
        case .start, .restart: (run.wish, run.stop, run.stopBy) = (.run, nil, nil)
        case .remove(let kills): if kills { ask(.remove, 0, now) }
        case .helper, .helperLost, .settled, .tick, .unhealthy: break
        }
        return []
    }

    private mutating func handleAlive(_ record: RunningRecord?, _ event: Event, _ now: Int64) -> [Action] {
        switch event {
        case .helper(let record):
            state = .alive(record)
            return []
        case .exited(let record): return end(.exited(record), now)
        case .helperLost: return end(.failed("its helper ended without a record of how"), now, endsLeftovers: true)
        case .failed(let reason), .hindered(let reason): return end(.failed(reason), now, endsLeftovers: true)
        case .neverStarted: return neverStarted(now)
        case .stop(let seconds):
            ask(.rest, seconds, now)
            return [.tellHelper(stop: seconds)]
        case .restart(let seconds):
            ask(.again, seconds, now)
            return [.tellHelper(stop: seconds)]
        case .rollBack(let rollback, let seconds):
            run.rollback = rollback
            ask(run.wish == .rest ? .rest : .again, seconds, now)
            return [.tellHelper(stop: seconds)]
        case .unhealthy(let reason, let seconds):
            guard run.wish == .run, policy.mode != .no else { return [] }
            ask(.replace, seconds, now)
            run.reason = reason
            return [.tellHelper(stop: seconds)]
        case .start:
            // One that is being stopped comes back.
            if run.wish == .rest { run.wish = .again }
            return []
        case .remove(let kills):
            guard kills else { return [] }
            ask(.remove, 0, now)
            return [.tellHelper(stop: 0)]
        case .prepared, .settled, .tick: return []
        }
    }

    private mutating func handleSettling(_ end: End, _ next: Next, _ event: Event, _ now: Int64) -> [Action] {
        switch event {
        case .settled:
            run.rollback = nil
            switch next {
            case .rest: state = .ended(end)
            case .start: return begin()
            case .restart(let until):
                state = .waiting(end, until: until)
                return until <= now ? begin() : [.wake(at: until)]
            case .remove: return remove(end)
            }
        case .failed(let reason):
            // Only an exchange of roots fails: what runs next would run on the wrong one.
            run.rollback = nil
            if next == .remove { return remove(end) }
            (run.wish, run.due, run.givenUp) = (.rest, nil, reason)
            state = .ended(.failed(reason))
        case .stop:
            guard next != .remove else { return [] }
            (run.wish, run.due) = (.rest, nil)
            state = .settling(end, then: removesWhenDone ? .remove : .rest)
        case .start, .restart:
            guard next != .remove else { return [] }
            (run.wish, run.due, run.history) = (.again, nil, RestartHistory())
            state = .settling(end, then: .start)
        case .remove:
            run.wish = .remove
            state = .settling(end, then: .remove)
        default: break
        }
        return []
    }

    private mutating func handleWaiting(_ end: End, _ until: Int64, _ event: Event, _ now: Int64) -> [Action] {
        switch event {
        case .tick: return until <= now ? begin() : [.wake(at: until)]
        case .start, .restart:
            run.history = RestartHistory()
            return begin()
        case .stop:
            (run.wish, run.due) = (.rest, nil)
            state = .ended(end)
        case .remove: return remove(end)
        case .rollBack(let rollback, _):
            (run.rollback, run.wish, run.due) = (rollback, .again, nil)
            return settle(end, then: .start)
        default: break
        }
        return []
    }

    private mutating func handleEnded(_ end: End, _ event: Event) -> [Action] {
        switch event {
        case .start, .restart:
            run.history = RestartHistory()
            return begin()
        case .remove: return remove(end)
        case .rollBack(let rollback, _):
            (run.rollback, run.wish, run.givenUp) = (rollback, .rest, nil)
            return settle(end, then: .rest)
        default: return []
        }
    }

    private mutating func handleRemoving(_ end: End, _ event: Event) -> [Action] {
        // It can be tried again.
        if case .failed = event { state = .ended(end) }
        return []
    }

    /// A task that an earlier agent left.
    ///
    /// - Parameters:
    ///   - running: what the helper of its current run said last.
    ///   - event: what has become of that run; nil when its helper has it and has said nothing yet.
    static func recovered(
        _ run: TaskRun, policy: RestartPolicy, removesWhenDone: Bool, boot: String, running: RunningRecord?, event: Event?,
        at now: Int64
    ) -> (machine: TaskMachine, actions: [Action]) {
        var machine = TaskMachine(
            .alive(running), run: run, policy: policy, removesWhenDone: removesWhenDone, boot: boot)
        let isOtherBoot = run.boot != nil && run.boot != boot
        if isOtherBoot { machine.run.history.hostHasStarted() }
        let actions = machine.goOn(from: event, isOtherBoot: isOtherBoot, at: now)
        return (machine, actions)
    }

    private mutating func goOn(from event: Event?, isOtherBoot: Bool, at now: Int64) -> [Action] {
        // It may have been told so while it ran.
        if run.wish == .remove, let event, !event.isAlive {
            return settle(.failed("it is being removed"), then: .remove, endsLeftovers: true)
        }
        let end: End
        var counts = true
        switch event {
        case nil: return []
        case .helper(let record):
            state = .alive(record)
            return stop(at: now).map { [.tellHelper(stop: $0)] } ?? []
        case .exited(let record): end = .exited(record)
        case .failed(let reason): end = .failed(reason)
        case .hindered(let reason): (end, counts) = (.failed(reason), false)
        case .helperLost: end = .failed("its helper ended without a record of how")
        case .some(let event): return handle(event, at: now)
        }
        if let due = run.due {
            return settle(end, then: .restart(at: isOtherBoot ? now : due), endsLeftovers: true)
        }
        // It was given up.
        if let reason = run.givenUp {
            note(end)
            return settle(.failed(reason), then: .rest, endsLeftovers: true)
        }
        return self.end(end, now, endsLeftovers: true, counts: counts)
    }

    // MARK: Steps

    /// The current run shall end; of several times the earliest counts, as the helper has it.
    private mutating func ask(_ wish: TaskRun.Wish, _ seconds: UInt32, _ now: Int64) {
        run.wish = wish
        run.stop = min(run.stop ?? seconds, seconds)
        run.stopBy = min(run.stopBy ?? .max, now + Int64(seconds) * 1000)
    }

    /// - Parameter counts: whether a restart is one of those that the policy allows.
    private mutating func end(_ end: End, _ now: Int64, endsLeftovers: Bool = false, counts: Bool = true) -> [Action] {
        let wish = run.wish
        guard wish == .run || wish == .replace else { return pass(end, next(for: wish), endsLeftovers) }
        guard policy.mode == .always || policy.mode == .onFailure && (wish == .replace || end.isFailure) else {
            return pass(end, next(for: .rest), endsLeftovers)
        }
        switch run.history.decide(policy, now: now, ranFor: ranFor(now), counts: counts) {
        case .restart(let until):
            (run.due, run.boot) = (until, boot)
            if wish == .run { run.reason = end.description }
            return settle(end, then: .restart(at: until), endsLeftovers: endsLeftovers)
        case .giveUp(let why):
            run.wish = .rest
            let reason = "\(wish == .replace ? run.reason ?? "" : end.description): \(why)"
            run.givenUp = reason
            note(end)
            return settle(.failed(reason), then: .rest, endsLeftovers: endsLeftovers)
        }
    }

    /// A run whose policy doesn't decide. A failure stays what it is for the next agent, whatever a helper has recorded.
    private mutating func pass(_ end: End, _ next: Next, _ endsLeftovers: Bool) -> [Action] {
        if next == .rest, run.rollback == nil, case .failed(let reason) = end { run.givenUp = reason }
        return settle(end, then: next, endsLeftovers: endsLeftovers)
    }

    private mutating func note(_ end: End) {
        if case .exited(let record) = end { lastExit = record }
    }

    private mutating func neverStarted(_ now: Int64) -> [Action] {
        let reason = "the agent ended before it was started"
        // Whoever asked for a task's first run got no answer, and asks again; another run was wanted, and still is.
        if run.wish == .run, run.generation > 1 || policy.mode != .no {
            return settle(.failed(reason), then: .start, endsLeftovers: true)
        }
        return end(.failed(reason), now, endsLeftovers: true)
    }

    private func next(for wish: TaskRun.Wish) -> Next {
        switch wish {
        case .again: .start
        case .remove: .remove
        case .run, .rest, .replace: removesWhenDone ? .remove : .rest
        }
    }

    private mutating func settle(_ end: End, then next: Next, endsLeftovers: Bool = false) -> [Action] {
        state = .settling(end, then: next)
        return [.settle(endsLeftovers: endsLeftovers, run.rollback)]
    }

    /// Begins another run.
    private mutating func begin() -> [Action] {
        run.generation += 1
        (run.wish, run.stop, run.stopBy, run.due, run.boot) = (.run, nil, nil, nil, boot)
        (run.reason, run.givenUp, lastExit) = (nil, nil, nil)
        state = .preparing
        return [.prepare]
    }

    private mutating func remove(_ end: End) -> [Action] {
        run.wish = .remove
        state = .removing(end)
        return [.remove]
    }

    /// Milliseconds since the container's runtime was started; nothing when it never was.
    private func ranFor(_ now: Int64) -> Int64 {
        // proc_pid_stat(5): in clock ticks, of which a second has a hundred, since the host's start.
        record.map { max(0, now - Int64(clamping: $0.runtime.start) * 10) } ?? 0
    }
}
