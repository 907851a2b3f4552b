import AgentAPI
import Linux
import Spec
import TaskHelper
import Testing

@testable import Agent

/// The states and events of tasks, one value of each kind and case that matters.
enum Cases {
    static let identity = ProcessIdentity("10:20")!
    static func running(_ phase: RunningRecord.Phase) -> RunningRecord {
        RunningRecord(phase: phase, boot: "b", helper: identity, runtime: identity, leader: nil, cgroups: [])
    }
    static let exit = ExitRecord(status: .code(3), outOfMemory: false, at: 5)
    static let rollback = TaskRun.Rollback(snapshot: "s", keptAs: "k")
    /// Long after every run of these cases began.
    static let now: Int64 = 1_000_000

    static let states: [TaskMachine.State] =
        [.preparing, .alive(nil), .alive(running(.starting)), .alive(running(.running)), .alive(running(.stopping))]
        + [TaskMachine.End.exited(exit), .failed("f")].flatMap { end in
            [
                .settling(end, then: .rest), .settling(end, then: .start), .settling(end, then: .restart(at: now + 50)),
                .settling(end, then: .remove), .waiting(end, until: now + 50), .waiting(end, until: now), .ended(end),
                .removing(end),
            ]
        }
    static let wishes: [TaskRun.Wish] = [.run, .rest, .again, .replace, .remove]
    static let events: [TaskMachine.Event] = [
        .prepared, .failed("x"), .neverStarted, .helper(running(.starting)), .helper(running(.running)),
        .helper(running(.stopping)), .exited(ExitRecord(status: .signal(9), outOfMemory: true, at: 6)),
        .exited(ExitRecord(status: .code(0), outOfMemory: false, at: 6)), .helperLost, .settled, .tick, .start,
        .stop(seconds: 0), .stop(seconds: 30), .restart(seconds: 5), .rollBack(rollback, seconds: 5), .remove(kills: false),
        .remove(kills: true),
        .unhealthy("h", seconds: 5),
    ]
    static let policies = [
        RestartPolicy(), RestartPolicy(.onFailure), RestartPolicy(.always), RestartPolicy(.always, attempts: 1),
    ]

    static var machines: [TaskMachine] {
        states.flatMap { state in
            wishes.flatMap { wish in
                policies.flatMap { policy in
                    [false, true].filter { !$0 || policy.mode == .no }.map { removes in
                        var run = TaskRun()
                        run.wish = wish
                        return TaskMachine(state, run: run, policy: policy, removesWhenDone: removes, boot: "b")
                    }
                }
            }
        }
    }

    static var all: [(TaskMachine, TaskMachine.Event)] {
        machines.flatMap { machine in events.map { (machine, $0) } }
    }
}

@Suite struct TaskMachineTests {
    @Test func anotherRunBeginsOnlyWhenNothingOfTheLastIsLeft() {
        for (before, event) in Cases.all {
            var machine = before
            let actions = machine.handle(event, at: Cases.now)
            #expect(machine.run.generation >= before.run.generation)
            guard machine.run.generation > before.run.generation else {
                #expect(!actions.contains(.prepare), "\(before.state) \(event)")
                continue
            }
            #expect(machine.run.generation == before.run.generation + 1)
            #expect(machine.state == .preparing && actions == [.prepare] && machine.run.wish == .run, "\(before.state) \(event)")
            switch before.state {
            case .waiting, .ended: break
            // What its end left to do has just been done.
            case .settling: if case .settled = event {} else { Issue.record("\(before.state) \(event)") }
            default: Issue.record("\(before.state) \(event)")
            }
        }
    }

    @Test func everyEndIsSettledBeforeAnythingElse() {
        for (before, event) in Cases.all where before.isUnderWay {
            var machine = before
            let actions = machine.handle(event, at: Cases.now)
            guard !machine.isUnderWay else { continue }
            guard case .settling = machine.state, actions.count == 1, case .settle(let kills, _) = actions[0] else {
                Issue.record("\(before.state) \(event) \(actions)")
                continue
            }
            // Without its helper's word nobody knows whether something of it still runs.
            if case .exited = event {} else { #expect(kills) }
        }
    }

    @Test func everythingOfATaskIsTakenAwayOnlyAfterItsEnd() {
        for (before, event) in Cases.all {
            var machine = before
            let actions = machine.handle(event, at: Cases.now)
            #expect((machine.isRemoving && !before.isRemoving) == actions.contains(.remove), "\(before.state) \(event)")
            guard actions.contains(.remove) else { continue }
            #expect(!before.isUnderWay && machine.run.wish == .remove)
        }
    }

    @Test func aTaskIsLaunchedOnceAndOnlyWhenEverythingIsThere() {
        for (before, event) in Cases.all where before.run.wish != .remove {
            var machine = before
            guard machine.handle(event, at: Cases.now).contains(.launch) else { continue }
            #expect(before.state == .preparing && before.run.wish == .run)
            #expect(machine.state == .alive(nil))
            #expect(machine.handle(event, at: Cases.now) == [])
        }
    }

    @Test func aTaskThatWasStoppedStaysSoWhateverItsPolicy() {
        for policy in Cases.policies {
            for before in [TaskMachine.State.preparing, .alive(nil), .alive(Cases.running(.running))] {
                var machine = TaskMachine(before, policy: policy, removesWhenDone: false)
                _ = machine.handle(.stop(seconds: 5), at: 0)
                _ = machine.handle(before == .preparing ? .prepared : .exited(Cases.exit), at: 1)
                _ = machine.handle(.settled, at: 2)
                #expect(machine.isAtRest)
                for event in [TaskMachine.Event.tick, .unhealthy("", seconds: 1), .settled, .helperLost] {
                    #expect(machine.handle(event, at: 1 << 40) == [])
                }
                // The next agent's view of the same.
                let (recovered, actions) = TaskMachine.recovered(
                    machine.run, policy: policy, removesWhenDone: false, boot: "b", running: nil, event: .exited(Cases.exit),
                    at: 3)
                let end = before == .preparing ? TaskMachine.End.failed("it was stopped before it started") : .exited(Cases.exit)
                #expect(recovered.state == .settling(end, then: .rest) && actions.count == 1)
            }
            var waiting = TaskMachine(.waiting(.failed("f"), until: 9), policy: policy, removesWhenDone: false)
            #expect(waiting.handle(.stop(seconds: 5), at: 0) == [])
            #expect(waiting.isAtRest && waiting.run.wish == .rest)
        }
    }

    @Test func aStopWhileARestartIsUnderWayWins() {
        var machine = TaskMachine(.alive(Cases.running(.running)), removesWhenDone: false)
        #expect(machine.handle(.restart(seconds: 9), at: 0) == [.tellHelper(stop: 9)])
        #expect(machine.handle(.stop(seconds: 20), at: 0) == [.tellHelper(stop: 20)])
        #expect(machine.run.stop == 9)
        #expect(machine.handle(.exited(Cases.exit), at: 1) == [.settle(endsLeftovers: false, nil)])
        #expect(machine.handle(.settled, at: 1) == [])
        #expect(machine.isAtRest)
        // And a start while a stop is.
        #expect(machine.handle(.start, at: 2) == [.prepare])
        #expect(machine.run.stop == nil)
        _ = machine.handle(.prepared, at: 2)
        _ = machine.handle(.stop(seconds: 1), at: 3)
        #expect(machine.handle(.start, at: 3) == [])
        _ = machine.handle(.exited(Cases.exit), at: 4)
        #expect(machine.handle(.settled, at: 4) == [.prepare])
        #expect(machine.run.generation == 3)
    }

    @Test func anEndByItselfIsFollowedAsThePolicySays() {
        let zero = ExitRecord(status: .code(0), outOfMemory: false, at: 5)
        for (mode, exit, restarts) in [
            (RestartPolicy.Mode.no, Cases.exit, false), (.onFailure, zero, false), (.onFailure, Cases.exit, true),
            (.always, zero, true),
            (.always, Cases.exit, true),
        ] {
            var machine = TaskMachine(.alive(nil), policy: RestartPolicy(mode), removesWhenDone: false)
            _ = machine.handle(.exited(exit), at: 100)
            let actions = machine.handle(.settled, at: 110)
            #expect(machine.visible == (restarts ? .restarting : .exited))
            #expect(actions == (restarts ? [.wake(at: 1100)] : []))
            guard restarts else { continue }
            #expect(machine.handle(.tick, at: 1099) == [.wake(at: 1100)])
            #expect(machine.handle(.tick, at: 1100) == [.prepare])
            #expect(machine.run.history.count == 1)
        }
    }

    @Test func aTaskThatFailsAgainAndAgainIsGivenUpWithTheReason() {
        var policy = RestartPolicy(.onFailure, attempts: 3)
        policy.backoff = 2
        var machine = TaskMachine(.alive(nil), policy: policy, removesWhenDone: false)
        var now: Int64 = 0
        for pause: Int64 in [2000, 4000, 8000] {
            _ = machine.handle(.exited(Cases.exit), at: now)
            #expect(machine.handle(.settled, at: now) == [.wake(at: now + pause)])
            now += pause
            #expect(machine.handle(.tick, at: now) == [.prepare])
            #expect(machine.handle(.prepared, at: now) == [.launch])
        }
        _ = machine.handle(.exited(Cases.exit), at: now)
        #expect(machine.handle(.settled, at: now) == [])
        #expect(machine.visible == .failed && machine.isAtRest)
        #expect(machine.reason == "it exited with 3: it was started again 3 times within 600 s, and its policy allows no more")
        // The next agent doesn't begin to count anew.
        let (recovered, _) = TaskMachine.recovered(
            machine.run, policy: policy, removesWhenDone: false, boot: "b", running: nil, event: .exited(Cases.exit), at: 1 << 40)
        #expect(recovered.state == .settling(.failed(machine.reason ?? ""), then: .rest))
        // Who starts it by hand does.
        #expect(machine.handle(.start, at: now) == [.prepare])
        #expect(machine.run.history == RestartHistory())
    }

    @Test func aFailedHealthCheckReplacesTheRunByThePolicy() {
        var machine = TaskMachine(.alive(Cases.running(.running)), policy: RestartPolicy(.onFailure), removesWhenDone: false)
        #expect(machine.handle(.unhealthy("no answer", seconds: 10), at: 0) == [.tellHelper(stop: 10)])
        #expect(machine.visible == .stopping)
        #expect(machine.handle(.unhealthy("no answer", seconds: 10), at: 0) == [])
        // It ended well, but was not.
        _ = machine.handle(.exited(ExitRecord(status: .code(0), outOfMemory: false, at: 5)), at: 0)
        #expect(machine.visible == .restarting && machine.reason == "no answer")
        var unmanaged = TaskMachine(.alive(Cases.running(.running)), removesWhenDone: false)
        #expect(unmanaged.handle(.unhealthy("no answer", seconds: 10), at: 0) == [])
    }

    @Test func aRollbackWaitsForTheEndAndBringsBackWhatRan() {
        var machine = TaskMachine(.alive(Cases.running(.running)), removesWhenDone: false)
        #expect(machine.handle(.rollBack(Cases.rollback, seconds: 3), at: 0) == [.tellHelper(stop: 3)])
        #expect(machine.handle(.exited(Cases.exit), at: 0) == [.settle(endsLeftovers: false, Cases.rollback)])
        #expect(machine.handle(.settled, at: 0) == [.prepare])
        #expect(machine.run.rollback == nil)
        var rests = TaskMachine(.ended(.exited(Cases.exit)), removesWhenDone: false)
        #expect(rests.handle(.rollBack(Cases.rollback, seconds: 3), at: 0) == [.settle(endsLeftovers: false, Cases.rollback)])
        #expect(rests.handle(.failed("no space"), at: 0) == [])
        #expect(rests.state == .ended(.failed("no space")) && rests.run.rollback == nil)
    }

    @Test func aStartBeforeARollbackIsDoneDoesNotPutItOff() {
        for event in [TaskMachine.Event.start, .restart(seconds: 5)] {
            var machine = TaskMachine(removesWhenDone: false)
            #expect(machine.handle(.rollBack(Cases.rollback, seconds: 3), at: 0) == [])
            #expect(machine.handle(event, at: 0) == [])
            #expect(machine.handle(.prepared, at: 0) == [.settle(endsLeftovers: true, Cases.rollback)])
            #expect(machine.handle(.settled, at: 0) == [.prepare])
        }
    }

    @Test func aRandomHistoryEndsWellOnceItIsLeftAlone() {
        for _ in 0..<5000 {
            let policy = Cases.policies.randomElement()!
            var machine = TaskMachine(policy: policy, removesWhenDone: policy.mode == .no && .random())
            var now: Int64 = 0
            var runs = 1
            for event in (0..<Int.random(in: 0...25)).map({ _ in Cases.events.randomElement()! }) + [
                .stop(seconds: 0), .prepared, .exited(Cases.exit), .settled, .remove(kills: false), .remove(kills: true),
            ] {
                now += Int64.random(in: 0...5000)
                let actions = machine.handle(event, at: now)
                runs += actions.filter { $0 == .prepare }.count
            }
            #expect(runs == machine.run.generation)
            #expect(machine.isRemoving || machine.isAtRest, "\(machine)")
        }
    }

    @Test func aStopBeforeTheStartKeepsItFromStarting() {
        var machine = TaskMachine(removesWhenDone: false)
        #expect(machine.handle(.stop(seconds: 10), at: 0) == [])
        #expect(machine.handle(.prepared, at: 0) == [.settle(endsLeftovers: true, nil)])
        #expect(machine.end == .failed("it was stopped before it started"))
        #expect(machine.handle(.settled, at: 0) == [])
        // Its helper, which never had the word, records an end of its own.
        var (next, _) = TaskMachine.recovered(
            machine.run, policy: machine.policy, removesWhenDone: false, boot: "b", running: nil, event: .exited(Cases.exit),
            at: 1)
        #expect(next.handle(.settled, at: 1) == [] && next.end == machine.end && next.visible == machine.visible)
        #expect(next.handle(.start, at: 2) == [.prepare] && next.run.givenUp == nil)
    }

    @Test func aHelperThatIsMetLaterIsToldTheTimeThatWasAskedFor() {
        var machine = TaskMachine(.alive(nil), removesWhenDone: false)
        #expect(machine.stop(at: 0) == nil)
        #expect(machine.handle(.stop(seconds: 300), at: 0) == [.tellHelper(stop: 300)])
        #expect(machine.stop(at: 0) == 300)
        #expect(machine.handle(.stop(seconds: 0), at: 0) == [.tellHelper(stop: 0)])
        #expect(machine.handle(.stop(seconds: 90), at: 0) == [.tellHelper(stop: 90)])
        #expect(machine.stop(at: 0) == 0)
        // One that is stopping already, as an earlier agent asked it to, is not told to hurry.
        machine = TaskMachine(.alive(nil), removesWhenDone: false)
        _ = machine.handle(.helper(Cases.running(.stopping)), at: 0)
        #expect(machine.visible == .stopping && machine.stop(at: 0) == nil)
    }

    /// However many agents come and go meanwhile.
    @Test func theTimeToEndGoesOnWhereItWas() {
        var machine = TaskMachine(.alive(nil), removesWhenDone: false)
        _ = machine.handle(.stop(seconds: 60), at: 10_000)
        for (now, left) in [(Int64(10_000), UInt32(60)), (40_500, 30), (70_000, 0), (90_000, 0)] {
            let next = TaskMachine.recovered(
                machine.run, policy: RestartPolicy(), removesWhenDone: false, boot: "b", running: nil,
                event: .helper(Cases.running(.running)), at: now)
            #expect(next.actions == [.tellHelper(stop: left)] && next.machine.stop(at: now) == left)
        }
    }

    @Test func aRemovalThatFailedCanBeTriedAgain() {
        var machine = TaskMachine(.ended(.exited(Cases.exit)), removesWhenDone: false)
        #expect(machine.handle(.remove(kills: false), at: 0) == [.remove])
        #expect(machine.handle(.remove(kills: false), at: 0) == [])
        #expect(machine.handle(.failed("busy"), at: 0) == [])
        #expect(machine.handle(.remove(kills: false), at: 0) == [.remove])
    }

    @Test(arguments: [
        (TaskMachine.State.preparing, TaskStatus.State.preparing), (.alive(nil), .starting),
        (.alive(Cases.running(.starting)), .starting), (.alive(Cases.running(.running)), .running),
        (.alive(Cases.running(.stopping)), .stopping), (.ended(.exited(Cases.exit)), .exited), (.ended(.failed("")), .failed),
        (.removing(.exited(Cases.exit)), .exited), (.removing(.failed("")), .failed),
        (.settling(.failed(""), then: .rest), .failed), (.settling(.failed(""), then: .start), .restarting),
        (.settling(.exited(Cases.exit), then: .restart(at: 0)), .restarting), (.waiting(.failed(""), until: 0), .restarting),
    ])
    func clientsSeeThis(_ state: TaskMachine.State, _ visible: TaskStatus.State) {
        #expect(TaskMachine(state, removesWhenDone: false).visible == visible)
    }
}
