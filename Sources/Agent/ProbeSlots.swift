/// Who asks health checks at once, as a pure function. Times are milliseconds of a clock that only goes forward.
///
/// A few slots are everybody's; one task has one question at a time. One that isn't answered soon gives its slot back and goes
/// on beside them, and a task of which that is known doesn't get one at all: it waits on its own time. So tasks whose checks are
/// slow or hang, however many they are, hold nobody else's up.
struct ProbeQueue: Sendable {
    /// A question: numbers are never used twice.
    typealias Ticket = UInt64

    private struct Task: Sendable {
        /// The question that is asked.
        var asking: Ticket
        var since: Int64
        var holdsSlot: Bool
        var waiting: [Ticket] = []
    }

    private let slots: Int
    private var used = 0
    private var next: Ticket = 0
    private var tasks: [String: Task] = [:]
    /// Tasks whose question waits for a slot, in their order.
    private var queue: [String] = []
    /// Tasks whose last question wasn't answered soon.
    private var slow: Set<String> = []
    /// What is soon.
    private static let patience: Int64 = 500

    init(slots: Int) {
        self.slots = slots
    }

    /// Whether somebody waits for a slot that `age` may give back.
    var isWaiting: Bool { !queue.isEmpty }

    /// A task's question, and whether it is asked at once.
    mutating func ask(_ task: String, at now: Int64) -> (ticket: Ticket, isAsked: Bool) {
        next += 1
        if tasks[task] != nil {
            tasks[task]?.waiting.append(next)
            return (next, false)
        }
        return (next, begin(task, next, at: now))
    }

    private mutating func begin(_ task: String, _ ticket: Ticket, at now: Int64, waiting: [Ticket] = []) -> Bool {
        let isBeside = slow.contains(task)
        let isAsked = isBeside || used < slots
        tasks[task] = Task(asking: ticket, since: now, holdsSlot: isAsked && !isBeside, waiting: waiting)
        if !isAsked { queue.append(task) } else if !isBeside { used += 1 }
        return isAsked
    }

    /// A task's question has been answered, or is given up.
    ///
    /// - Returns: the questions that are asked now.
    mutating func end(_ task: String, at now: Int64) -> [Ticket] {
        guard let ended = tasks.removeValue(forKey: task) else { return [] }
        if ended.holdsSlot { used -= 1 }
        if now - ended.since > Self.patience { slow.insert(task) } else { slow.remove(task) }
        var asked = fill(at: now)
        // Behind those that wait already.
        if let following = ended.waiting.first,
            begin(task, following, at: now, waiting: Array(ended.waiting.dropFirst()))
        {
            asked.append(following)
        }
        return asked
    }

    /// Has questions that aren't answered give their slots back.
    ///
    /// - Returns: the questions that are asked now.
    mutating func age(to now: Int64) -> [Ticket] {
        for (name, task) in tasks where task.holdsSlot && now - task.since > Self.patience {
            tasks[name]?.holdsSlot = false
            used -= 1
        }
        return fill(at: now)
    }

    /// Forgets a task that asks no more.
    mutating func forget(_ task: String) { slow.remove(task) }

    private mutating func fill(at now: Int64) -> [Ticket] {
        var asked: [Ticket] = []
        while used < slots, !queue.isEmpty {
            let task = queue.removeFirst()
            guard let ticket = tasks[task]?.asking else { continue }
            used += 1
            tasks[task]?.since = now
            tasks[task]?.holdsSlot = true
            asked.append(ticket)
        }
        return asked
    }
}

/// Lets health checks be asked as `ProbeQueue` says.
actor ProbeSlots {
    private var queue: ProbeQueue
    private var waiting: [ProbeQueue.Ticket: CheckedContinuation<Void, Never>] = [:]
    private var isAging = false

    init(_ count: Int) {
        queue = ProbeQueue(slots: count)
    }

    /// Returns once the task's question may be asked; `release` follows.
    func acquire(for task: String) async {
        let (ticket, isAsked) = queue.ask(task, at: HostClock.now)
        if isAsked { return }
        age()
        await withCheckedContinuation { waiting[ticket] = $0 }
    }

    func release(of task: String) { resume(queue.end(task, at: HostClock.now)) }

    func forget(_ task: String) { queue.forget(task) }

    private func resume(_ tickets: [ProbeQueue.Ticket]) {
        for ticket in tickets { waiting.removeValue(forKey: ticket)?.resume() }
    }

    /// Looks after slots while somebody waits for one.
    private func age() {
        guard !isAging else { return }
        isAging = true
        Task {
            while queue.isWaiting {
                try? await Task.sleep(for: .milliseconds(100))
                resume(queue.age(to: HostClock.now))
            }
            isAging = false
        }
    }
}
