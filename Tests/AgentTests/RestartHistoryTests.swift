import AgentAPI
import Linux
import Spec
import TaskHelper
import Testing

@testable import Agent

@Suite struct RestartHistoryTests {
    @Test func pausesDoubleUpToTheLongestAndBeginAnewAfterALongRun() {
        var history = RestartHistory()
        let policy = RestartPolicy(.always)
        var (now, pauses): (Int64, [Int64]) = (0, [])
        for _ in 0..<40 {
            guard case .restart(let at) = history.decide(policy, now: now, ranFor: 100) else { return #expect(Bool(false)) }
            pauses.append(at - now)
            now = at + 100
        }
        #expect(pauses.prefix(9) == [1000, 2000, 4000, 8000, 16000, 32000, 64000, 128_000, 256_000])
        #expect(pauses.dropFirst(9).allSatisfy { $0 == 300_000 })
        #expect(history.decide(policy, now: now, ranFor: 599_999) == .restart(at: now + 300_000))
        #expect(history.decide(policy, now: now, ranFor: 600_000) == .restart(at: now + 1000))
        #expect(history.count == 42)
    }

    @Test func onlyRestartsWithinTheWindowCountAgainstTheLimit() {
        var history = RestartHistory()
        var policy = RestartPolicy(.always, attempts: 2)
        policy.window = 10
        #expect(history.decide(policy, now: 0, ranFor: 0) == .restart(at: 1000))
        #expect(history.decide(policy, now: 9000, ranFor: 0) == .restart(at: 11000))
        #expect(history.decide(policy, now: 10000, ranFor: 0) == .restart(at: 14000))
        guard case .giveUp = history.decide(policy, now: 14000, ranFor: 0) else { return #expect(Bool(false)) }
    }

    @Test func whatTheHostIsToBlameForIsTriedOnAndCountsForNothing() {
        var machine = TaskMachine(
            .alive(nil), policy: RestartPolicy(.onFailure, attempts: 1), removesWhenDone: false)
        _ = machine.handle(.failed("x"), at: 0)
        var now: Int64 = 0
        for _ in 0..<5 {
            guard case .settling(_, .restart(let due)) = machine.state else { return #expect(Bool(false), "\(machine.state)") }
            now = due
            #expect(machine.handle(.settled, at: now) == [.prepare])
            _ = machine.handle(.hindered("the pool is read-only"), at: now)
        }
        #expect(machine.reason == "the pool is read-only")
        // The next failure of its own is one too many.
        _ = machine.handle(.settled, at: now + 300_000)
        _ = machine.handle(.tick, at: now + 300_000)
        _ = machine.handle(.failed("y"), at: now + 300_000)
        #expect(machine.run.givenUp?.hasPrefix("y: it was started again 1 times") == true, "\(machine)")
    }

    /// The date isn't asked at all: an agent whose host's clock is set a day ahead and back sees the same times.
    @Test func aClockThatIsSetChangesNothing() {
        var (machine, other) = (
            TaskMachine(.alive(nil), policy: RestartPolicy(.always), removesWhenDone: false),
            TaskMachine(.alive(nil), policy: RestartPolicy(.always), removesWhenDone: false)
        )
        // Exits carry the date.
        for (index, day) in [0, 86400, -86400, 0].enumerated() {
            let now = Int64(index) * 10_000_000
            let date = 1_700_000_000 + Int64(index) * 10_000
            _ = machine.handle(.exited(.init(status: .code(1), outOfMemory: false, at: date)), at: now)
            _ = other.handle(.exited(.init(status: .code(1), outOfMemory: false, at: date + Int64(day))), at: now)
            for event in [TaskMachine.Event.settled, .tick] {
                #expect(machine.handle(event, at: now + 400_000) == other.handle(event, at: now + 400_000))
            }
            _ = (machine.handle(.prepared, at: now), other.handle(.prepared, at: now))
            #expect(machine == other)
        }
        #expect(HostClock.now > 0)
    }

    @Test(arguments: ["no", "always", "on-failure", "on-failure:5", "always:1"]) func aPolicyIsReadFromItsText(_ text: String)
        throws
    {
        let policy = try #require(RestartPolicy(text))
        #expect(policy.mode.rawValue + (policy.attempts.map { ":\($0)" } ?? "") == text)
    }

    @Test(arguments: ["", "yes", "on-failure:", "on-failure:0", "on-failure:-1", "no:3", "always:x", "always:1:2"])
    func whatIsNoPolicyIsRefused(_ text: String) {
        #expect(RestartPolicy(text) == nil)
    }
}
