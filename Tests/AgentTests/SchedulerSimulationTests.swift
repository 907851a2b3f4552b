import AgentAPI
import Spec
import Testing

@testable import Agent

/// Hosts and a scheduler that moves a job between them, over a network that loses, delays and repeats: by the hosts' own clocks, the job
/// never runs on two of them.
private struct World {
    struct Host {
        var link: SchedulerLink
        /// What is on its disk.
        var disk = SchedulerLink.Memory()
        /// In the directory that the host's end empties.
        var contact: Int64?
        /// Its clock began at this time of the world's.
        var start: Int64
        var sequence: UInt64 = 0
        var isCut = false
        /// On their way.
        var messages: [(at: Int64, sequence: UInt64, sent: Int64, needs: Bool, known: SchedulerLink.Memory)] = []
        var answers: [(at: Int64, answer: HeartbeatAnswer, sequence: UInt64, sent: Int64)] = []
        var isRunning = false
        var nextBeat: Int64 = 0
    }

    private static let stopAfter = 60

    private var random: Seeded
    private var now: Int64 = 0
    private var hosts: [Host]
    /// The scheduler's own state, which is in its store: who has the job, since when it may be elsewhere.
    private var owner: Int?
    private var epoch: UInt64 = 1
    private var revision: UInt64 = 1
    /// When the scheduler last heard of each host.
    private var heard: [Int64]
    /// An earlier scheduler that doesn't know it is none any more, and what it thinks.
    private var stale: (epoch: UInt64, revision: UInt64, owner: Int?, until: Int64)?
    private(set) var problems: [String] = []
    private(set) var moves = 0

    init(seed: UInt64) {
        random = Seeded(state: seed)
        hosts = (0..<3).map { _ in
            Host(link: SchedulerLink(isBuiltIn: false, memory: .init(), contact: nil, interval: 5000), start: 0)
        }
        heard = [Int64](repeating: 0, count: 3)
    }

    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    mutating func run() {
        while now < 3_000_000 {
            now += Int64.random(in: 200...2000, using: &random)
            trouble()
            schedule()
            for index in hosts.indices { step(index) }
            let running = hosts.indices.filter { hosts[$0].isRunning }
            if running.count > 1 { problems.append("at \(now) the job runs on \(running)") }
            if !problems.isEmpty { return }
        }
        // In a world at peace it runs.
        stale = nil
        for index in hosts.indices { hosts[index].isCut = false }
        let end = now + 400_000
        while now < end {
            now += 1000
            schedule()
            for index in hosts.indices { step(index) }
        }
        if hosts.count(where: \.isRunning) != 1 {
            problems.append("in the end it runs on \(hosts.count(where: \.isRunning)) hosts")
        }
    }

    private mutating func trouble() {
        for index in hosts.indices {
            if chance(60) { hosts[index].isCut.toggle() }
            // The agent is killed: its tasks run on, its memory is what is on disk.
            if chance(200) {
                let host = hosts[index]
                hosts[index].link = SchedulerLink(isBuiltIn: false, memory: host.disk, contact: host.contact, interval: 5000)
                (hosts[index].messages, hosts[index].answers) = ([], [])
            }
            // The host is started anew: its tasks have ended, its clock begins anew.
            if chance(400) {
                let disk = hosts[index].disk
                hosts[index] = Host(
                    link: SchedulerLink(isBuiltIn: false, memory: disk, contact: nil, interval: 5000), disk: disk, start: now)
                hosts[index].sequence = 1000
            }
        }
        // Another scheduler takes over. The old one doesn't notice for a while, which the new one knows.
        if chance(300) {
            let until = now + 15_000
            stale = (epoch, revision, owner, until)
            heard = heard.map { max($0, until) }
            epoch += 1
            revision = 1
        }
        if let stale, now >= stale.until { self.stale = nil }
    }

    /// Moves the job once its host can't have it any more: it has been silent for longer than the job runs without a scheduler.
    private mutating func schedule() {
        if let owner, now - heard[owner] <= Int64(Self.stopAfter) * 1000 + 5000 { return }
        let alive = hosts.indices.filter { $0 != owner && now - heard[$0] < 15_000 && heard[$0] > 0 }
        guard let next = alive.randomElement(using: &random) else { return }
        moves += 1
        owner = next
        revision += 1
    }

    private func assignments(_ has: Bool) -> [JobSpec] {
        var spec = JobSpec(name: "web", task: TaskRequest(image: "i"))
        spec.stopWithoutScheduler = Self.stopAfter
        return has ? [spec] : []
    }

    private mutating func step(_ index: Int) {
        let clock = now - hosts[index].start
        if clock >= hosts[index].nextBeat {
            hosts[index].nextBeat = clock + 5000
            hosts[index].sequence += 1
            let host = hosts[index]
            let message = (
                at: now + Int64.random(in: 0...4000, using: &random), sequence: host.sequence, sent: clock,
                needs: host.link.wantsAssignments(clock), known: host.link.memory
            )
            if !host.isCut, !chance(10) { hosts[index].messages.append(message) }
        }
        let due = hosts[index].messages.filter { $0.at <= now }
        hosts[index].messages.removeAll { $0.at <= now }
        for message in due {
            // The old scheduler and the new one both listen.
            let isStale = stale != nil && chance(3)
            let (epoch, revision, owner) =
                isStale ? (stale!.epoch, stale!.revision, stale!.owner) : (self.epoch, self.revision, self.owner)
            if !isStale { heard[index] = max(heard[index], now) }
            let isKnown = message.known.epoch == epoch && message.known.revision == revision && !message.needs
            let answer = HeartbeatAnswer(
                scheduler: "s\(epoch)", epoch: epoch, revision: revision, sequence: message.sequence,
                assignments: isKnown && chance(2) ? nil : assignments(owner == index))
            let copies = chance(10) ? 2 : 1
            for _ in 0..<copies where !hosts[index].isCut && !chance(10) {
                let at = now + Int64.random(in: 0...4000, using: &random)
                hosts[index].answers.append((at, answer, message.sequence, message.sent))
            }
        }
        let answered = hosts[index].answers.filter { $0.at <= now }
        hosts[index].answers.removeAll { $0.at <= now }
        for (_, answer, sequence, sent) in answered {
            _ = hosts[index].link.handle(.answered(answer, sequence: sequence, sent: sent), at: clock)
            hosts[index].disk = hosts[index].link.memory
            hosts[index].contact = hosts[index].link.contact
        }
        if hosts[index].isCut { _ = hosts[index].link.handle(.failed("cut"), at: clock) }
        // What the agent makes of it at any moment.
        let link = hosts[index].link
        let isAssigned = link.memory.assignments?.isEmpty == false
        let isHeld = link.end(stopAfter: Self.stopAfter).map { $0 <= clock } ?? false
        hosts[index].isRunning = isAssigned && !isHeld
    }
}

@Suite struct SchedulerSimulationTests {
    @Test func noHistoryRunsAJobTwiceAndInPeaceItRuns() {
        var moves = 0
        for seed in UInt64(0)..<60 {
            var world = World(seed: seed)
            world.run()
            #expect(world.problems == [], "seed \(seed)")
            moves += world.moves
            if !world.problems.isEmpty { return }
        }
        #expect(moves > 100)
    }
}
