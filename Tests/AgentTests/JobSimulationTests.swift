import Testing

@testable import Agent

/// A small world of tasks that start, become ready, fall ill and die at random, under random updates; after each step
/// the reconciler's invariants hold, and when the world turns quiet the job is as it was asked to be.
private struct World {
    var random: Seeded
    var job = JobReconciler()
    var goal: JobReconciler.Goal
    var tasks: [JobReconciler.Replica] = []
    /// Versions whose replicas never get ready.
    var broken: Set<Int> = []
    var healthy: [Int] = [1]
    var templates: [Int: Int] = [1: 1]
    var now: Int64 = 0
    var made = 0
    var isCalm = false
    var rollbacks = 0
    var problems: [String] = []

    init(seed: UInt64) {
        random = Seeded(state: seed)
        goal = JobReconciler.Goal(version: 1, replicas: 3, deadline: 20_000, alike: [1])
        goal.replicas = Int.random(in: 1...6, using: &random)
    }

    mutating func run() {
        for _ in 0..<400 {
            if chance(40) { update() }
            step()
        }
        isCalm = true
        // Long enough for each back-off and deadline; a broken version that nothing came before is replaced.
        for round in 0..<3000 {
            if round == 1000, broken.contains(templates[goal.version]!) { update(sane: true) }
            step()
        }
        let serving = tasks.filter { $0.isReady && goal.alike.contains($0.version) }
        if tasks.count != goal.replicas || serving.count != goal.replicas {
            problems.append("ends with \(tasks), not \(goal.replicas) of \(goal.version)")
        }
        if goal.outcome != .healthy, goal.replicas > 0 { problems.append("ends \(goal.outcome)") }
    }

    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    private mutating func update(sane: Bool = false) {
        let version = goal.version + 1
        let keepsTemplate = !sane && chance(4)
        templates[version] = keepsTemplate ? templates[goal.version] : version
        if !keepsTemplate, !sane, chance(3) { broken.insert(version) }
        target(version, fallback: chance(5) ? nil : healthy.last)
        goal.replicas = Int.random(in: sane ? 1...6 : 0...6, using: &random)
        goal.batch = Int.random(in: 1...4, using: &random)
        goal.startsFirst = Bool.random(using: &random)
        goal.pause = chance(2) ? 0 : 3000
        goal.minReady = chance(2) ? 0 : 2500
    }

    private mutating func target(_ version: Int, fallback: Int?) {
        goal.version = version
        goal.fallback = fallback
        goal.outcome = .pending
        goal.alike = Set(templates.filter { $0.value == templates[version] }.keys)
    }

    private mutating func step() {
        now += Int64.random(in: 1...2000, using: &random)
        live()
        goal.isBlocked = !isCalm && chance(6)
        if !isCalm, chance(100) {
            // The agent was killed and knows nothing but what is on disk.
            job = JobReconciler()
        }
        let before = tasks
        let actions = job.reconcile(goal, tasks, now: now).actions
        for action in actions { perform(action) }
        check(before, actions)
    }

    /// What tasks do by themselves.
    private mutating func live() {
        for index in tasks.indices.reversed() {
            let isBroken = broken.contains(templates[tasks[index].version]!)
            switch tasks[index].state {
            case .unready:
                if !isBroken, chance(3) { tasks[index].state = .ready }
                if isBroken ? chance(10) : !isCalm && chance(30) { tasks[index].state = .failed("died") }
            case .ready:
                if !isCalm, chance(60) {
                    tasks[index].ends += 1
                    tasks[index].isRestarted = !chance(3)
                }
                if !isCalm, chance(30) { tasks[index].state = chance(2) ? .unready("ill") : .failed("died") }
            case .leaving: if chance(3) { tasks.remove(at: index) }
            case .done, .failed: break
            }
        }
    }

    private mutating func perform(_ action: JobReconciler.Action) {
        switch action {
        case .start(let number):
            if !isCalm, chance(8) { return job.startFailed("refused", now: now) }
            if tasks.contains(where: { $0.number == number }) { problems.append("replica \(number) is there twice") }
            made += 1
            tasks.append(.init(id: "t\(made)", number: number, version: goal.version, state: .unready(nil)))
        case .stop(let id):
            guard let index = tasks.firstIndex(where: { $0.id == id }), tasks[index].isAlive else {
                return problems.append("stops \(id), which doesn't run")
            }
            tasks[index].state = .leaving
        case .remove(let id):
            guard let index = tasks.firstIndex(where: { $0.id == id }), !tasks[index].isAlive else {
                return problems.append("removes \(id), which runs")
            }
            tasks.remove(at: index)
        case .markHealthy:
            goal.outcome = .healthy
            healthy.append(goal.version)
            if broken.contains(templates[goal.version]!), goal.replicas > 0 { problems.append("a broken version is healthy") }
        case .markFailed: goal.outcome = .failed
        case .rollBack(let version, _):
            rollbacks += 1
            let next = goal.version + 1
            templates[next] = templates[version]
            target(next, fallback: nil)
        }
    }

    private mutating func check(_ before: [JobReconciler.Replica], _ actions: [JobReconciler.Action]) {
        func ready(_ tasks: [JobReconciler.Replica]) -> Int { tasks.count { $0.isReady } }
        func alive(_ tasks: [JobReconciler.Replica]) -> Int { tasks.count { $0.isAlive } }
        let least = goal.startsFirst ? goal.replicas : goal.replicas - goal.batch
        if ready(tasks) < min(ready(before), least) {
            problems.append("\(ready(tasks)) ready of \(ready(before)), at least \(least) allowed: \(actions)")
        }
        let starts = actions.contains { if case .start = $0 { true } else { false } }
        let most = goal.startsFirst ? goal.replicas + goal.batch : goal.replicas
        let count = goal.startsFirst ? alive(tasks) : tasks.count
        if starts, count > most { problems.append("\(count) tasks where \(most) are allowed: \(actions)") }
        if goal.isBlocked, starts { problems.append("starts although blocked") }
    }
}

@Suite struct JobSimulationTests {
    @Test func noHistoryBreaksAnInvariantAndAllEndAsTheyWereAskedTo() {
        var rollbacks = 0
        for seed in UInt64(0)..<300 {
            var world = World(seed: seed)
            world.run()
            #expect(world.problems == [], "seed \(seed)")
            rollbacks += world.rollbacks
            if !world.problems.isEmpty { return }
        }
        #expect(rollbacks > 50)
    }
}
