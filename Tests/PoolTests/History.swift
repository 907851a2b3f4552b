import AgentAPI

/// A history: what clients ask for, and what fails meanwhile, each at its time (docs/failures.md, "Histories").
///
/// It is made from a seed alone, and any part of it is a history too.
struct History: Sendable {
    enum Action: Sendable, Hashable {
        case run(String)
        case stop(String, seconds: UInt32)
        case start(String)
        case restart(String)
        case remove(String)
        case update(String, mebibytes: UInt64)
        case snapshot(String, as: String)
        case rollBack(String, image: Bool)
        case apply(String, replicas: Int, version: Int)
        case stopJob(String)
        case rollBackJob(String)
        case removeJob(String)
        case createVolume(String)
        case snapshotVolume(String, as: String)
        case removeVolume(String)
        case tag(String)
        case untag(String)
        case keepSecret(String, bytes: Int)
        case removeSecret(String)
        case drain
        case undrain
        case fault(Fault)
    }

    enum Fault: Sendable, Hashable {
        /// `kill -9`; the next one is started after some milliseconds.
        case killAgent(pause: Int)
        /// Of one of the helpers there are, by its place.
        case killHelper(Int)
        /// Of what a helper has started.
        case killRuntime(Int)
        /// SIGSTOP, and SIGCONT after some milliseconds.
        case stopHelper(Int, milliseconds: Int)
        /// SIGSTOP for good.
        case hangHelper(Int)
        case stopAgent(milliseconds: Int)
        /// What a helper has started.
        case stopRuntime(Int, milliseconds: Int)
        /// Of one of the commands that are under way.
        case killClient(Int)
        case fillState(milliseconds: Int)
        case makeStateReadOnly(milliseconds: Int)
        case makePoolReadOnly(milliseconds: Int)
        /// While no agent runs, one of the files of a kind is overwritten.
        case damage(HistoryDamage, Int)
    }

    struct Step: Sendable {
        /// Steps of one lane follow each other; lanes go side by side.
        let lane: Int
        /// Milliseconds since the history's begin, at the earliest.
        let time: Int
        let action: Action
    }

    let seed: UInt64
    var steps: [Step]

    static let clients = 5
    /// Milliseconds from the last fault of the state to the last kill of the agent.
    private static let finale = 600
    /// Faults have lanes of their own: processes, and the state.
    static let lanes = clients + 2

    static let tasks = ["t0", "t1", "t2"]
    static let jobs = ["j0", "j1"]
    static let volumes = ["v0", "v1"]
    static let names = ["box:a", "box:b"]
    static let secrets = ["s0", "s1"]

    /// Events that say how an object is from then on.
    static let lasting: [AgentEvent.Kind: Set<String>] = [
        .job: ["created", "changed", "started", "stopped", "rolled back", "removed", "damaged"],
        .host: ["draining", "undrained"], .secret: ["kept", "removed"], .task: ["created", "removed"],
    ]
    /// Those that there is no other of when somebody asks for the same again.
    static let resting: Set<String> = ["removed", "stopped", "draining", "undrained"]

    /// - Parameter milliseconds: its length, at least.
    init(seed: UInt64, milliseconds: Int) {
        self.seed = seed
        steps = []
        var random = SeededRandom(seed)
        var number = 0
        for lane in 0..<Self.clients {
            var time = Int.random(in: 0...100, using: &random)
            while time < milliseconds + Self.finale {
                number += 1
                let action = Self.action(number, &random)
                // Nothing can begin on a host that is drained, so that is seldom, and not for long.
                let isDrain = action == .undrain && Bool.random(using: &random)
                steps.append(Step(lane: lane, time: time, action: isDrain ? .drain : action))
                if isDrain { steps.append(Step(lane: lane, time: time + 300, action: .undrain)) }
                time += Int.random(in: 0...250, using: &random)
            }
        }
        var time = Int.random(in: 200...1000, using: &random)
        while time < milliseconds {
            steps.append(Step(lane: Self.clients, time: time, action: .fault(Self.processFault(&random))))
            time += Int.random(in: 100...1500, using: &random)
        }
        time = Int.random(in: 500...3000, using: &random)
        while time < milliseconds {
            let length = Int.random(in: 50...1200, using: &random)
            let fault: Fault =
                switch Int.random(in: 0..<5, using: &random) {
                case 0, 1: .fillState(milliseconds: length)
                case 2, 3: .makeStateReadOnly(milliseconds: length)
                default: .makePoolReadOnly(milliseconds: length)
                }
            steps.append(Step(lane: Self.clients + 1, time: time, action: .fault(fault)))
            time += length + Int.random(in: 500...3000, using: &random)
        }
        // Nothing comes after what was answered while nothing could be written, and before the agent was killed.
        let last: Fault = seed % 2 == 0 ? .fillState(milliseconds: 1000) : .makeStateReadOnly(milliseconds: 1000)
        steps.append(Step(lane: Self.clients + 1, time: milliseconds, action: .fault(last)))
        steps.append(Step(lane: Self.clients, time: milliseconds + Self.finale, action: .fault(.killAgent(pause: 50))))
    }

    private static func action(_ number: Int, _ random: inout SeededRandom) -> Action {
        func one(_ names: [String]) -> String { names[Int.random(in: 0..<names.count, using: &random)] }
        let task = one(tasks)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<24: return .run(task)
        case 24..<34: return .stop(task, seconds: Bool.random(using: &random) ? 0 : 1)
        case 34..<43: return .start(task)
        case 43..<49: return .restart(task)
        case 49..<53: return .remove(task)
        case 53..<57: return .update(task, mebibytes: UInt64.random(in: 40...60, using: &random))
        case 57..<60: return .snapshot(task, as: "n\(number)")
        case 60..<62: return .rollBack(task, image: Bool.random(using: &random))
        case 62..<70:
            let replicas = Int.random(in: 0...2, using: &random)
            return .apply(one(jobs), replicas: replicas, version: Int.random(in: 0...2, using: &random))
        case 70..<73: return .stopJob(one(jobs))
        case 73..<75: return .rollBackJob(one(jobs))
        case 75..<77: return .removeJob(one(jobs))
        case 77..<81: return .createVolume(one(volumes))
        case 81..<84: return .snapshotVolume(one(volumes), as: "n\(number)")
        case 84: return .removeVolume(one(volumes))
        case 85..<88: return .tag(one(names))
        case 88..<90: return .untag(one(names))
        case 90..<94: return .keepSecret(one(secrets), bytes: Int.random(in: 1...1000, using: &random))
        case 94..<96: return .removeSecret(one(secrets))
        default: return .undrain
        }
    }

    private static func processFault(_ random: inout SeededRandom) -> Fault {
        let place = Int.random(in: 0..<100, using: &random)
        let length = Int.random(in: 100...3000, using: &random)
        switch Int.random(in: 0..<24, using: &random) {
        case 0..<8: return .killAgent(pause: Int.random(in: 0...300, using: &random))
        case 8..<12: return .killHelper(place)
        case 12..<15: return .killRuntime(place)
        case 15: return .hangHelper(place)
        case 16: return .stopHelper(place, milliseconds: length)
        case 17: return .stopAgent(milliseconds: length)
        case 18: return .stopRuntime(place, milliseconds: length)
        case 19..<21: return .killClient(place)
        default: return .damage(HistoryDamage.allCases[place % HistoryDamage.allCases.count], place)
        }
    }
}

extension History: CustomStringConvertible {
    var description: String {
        let lines = steps.sorted { ($0.time, $0.lane) < ($1.time, $1.lane) }.map { step in
            let who = step.lane < Self.clients ? "client \(step.lane)" : "fault"
            return "  \(step.time) ms, \(who): \(step.action)"
        }
        return "the history of seed \(seed), \(steps.count) steps:\n" + lines.joined(separator: "\n")
    }
}

/// Files of the state that are damaged.
enum HistoryDamage: String, CaseIterable, Sendable {
    case intent, run, running, exit, job, events
}

/// SplitMix64: the same numbers from the same seed, everywhere.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
