import AgentAPI
import Linux
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

    static let states: [TaskMachine.State] = [
        .preparing(isStopRequested: false), .preparing(isStopRequested: true), .alive(nil, stop: nil), .alive(nil, stop: 7),
        .alive(running(.starting), stop: nil), .alive(running(.running), stop: nil), .alive(running(.stopping), stop: nil),
        .alive(running(.running), stop: 7), .exited(exit), .failed("f"), .removing(.exited(exit)), .removing(.failed("f")),
    ]
    static let events: [TaskMachine.Event] = [
        .prepared, .failed("x"), .helper(running(.starting)), .helper(running(.running)), .helper(running(.stopping)),
        .exited(ExitRecord(status: .signal(9), outOfMemory: true, at: 6)), .helperLost, .stop(seconds: 0), .stop(seconds: 30),
        .remove,
    ]

    static var all: [(TaskMachine, TaskMachine.Event)] {
        states.flatMap { state in
            events.flatMap { event in [false, true].map { (TaskMachine(state, removesWhenDone: $0), event) } }
        }
    }
}

@Suite struct TaskMachineTests {
    @Test func aTaskThatHasEndedNeverLivesAgainAndKeepsItsEnd() {
        for (before, event) in Cases.all where before.visible.hasEnded {
            var machine = before
            let actions = machine.handle(event)
            #expect(machine.visible == before.visible, "\(before.state) \(event)")
            #expect(machine.exit == before.exit && machine.reason == before.reason)
            #expect(!actions.contains(.launch) && !actions.contains { if case .tellHelper = $0 { true } else { false } })
        }
    }

    @Test func everythingOfATaskIsTakenAwayOnlyAfterItsEnd() {
        for (before, event) in Cases.all {
            var machine = before
            let actions = machine.handle(event)
            guard actions.contains(.remove) else { continue }
            #expect(machine.isRemoving && machine.visible.hasEnded && actions.last == .remove, "\(before.state) \(event)")
            if !before.visible.hasEnded { #expect(actions.contains(.release)) }
            if case .remove = event { #expect(before.visible.hasEnded) } else { #expect(machine.removesWhenDone) }
        }
    }

    @Test func aTaskIsBeingTakenAwayExactlyWhenItWasAskedToBe() {
        for (before, event) in Cases.all {
            var machine = before
            let actions = machine.handle(event)
            #expect((machine.isRemoving && !before.isRemoving) == actions.contains(.remove), "\(before.state) \(event)")
        }
    }

    @Test func anEndGivesBackWhatTheTaskUsed() {
        for (before, event) in Cases.all where !before.visible.hasEnded {
            var machine = before
            let actions = machine.handle(event)
            #expect(machine.visible.hasEnded == actions.contains(.release), "\(before.state) \(event)")
            // Without its helper's word nobody knows whether something of it still runs.
            if case .alive = before.state, machine.visible == .failed { #expect(actions.first == .killLeftovers) }
        }
    }

    @Test func aTaskIsLaunchedOnceAndOnlyWhenEverythingIsThere() {
        for (before, event) in Cases.all {
            var machine = before
            let launches = machine.handle(event).contains(.launch)
            if launches {
                #expect(before.state == .preparing(isStopRequested: false))
                #expect(machine.state == .alive(nil, stop: nil))
                #expect(machine.handle(event) == [])
            } else if case .alive = machine.state {
                #expect(before.visible != .preparing)
            }
        }
    }

    @Test func aRandomHistoryEndsWellOnceItsHelperIsGone() {
        for _ in 0..<5000 {
            var machine = TaskMachine(removesWhenDone: .random())
            var launched = 0
            var released = 0
            for event in (0..<Int.random(in: 0...15)).map({ _ in Cases.events.randomElement()! }) + [
                .prepared, .helperLost, .remove,
            ] {
                let actions = machine.handle(event)
                launched += actions.filter { $0 == .launch }.count
                released += actions.filter { $0 == .release }.count
            }
            #expect(launched <= 1)
            #expect(released == 1)
            #expect(machine.visible.hasEnded)
        }
    }

    @Test func aStopBeforeTheStartKeepsItFromStarting() {
        var machine = TaskMachine(removesWhenDone: false)
        #expect(machine.handle(.stop(seconds: 10)) == [])
        #expect(machine.handle(.prepared) == [.killLeftovers, .release])
        #expect(machine.state == .failed("it was stopped before it started"))
    }

    @Test func aHelperThatIsMetLaterIsToldTheTimeThatWasAskedFor() {
        var machine = TaskMachine(.alive(nil, stop: nil), removesWhenDone: false)
        #expect(machine.stop == nil)
        #expect(machine.handle(.stop(seconds: 300)) == [.tellHelper(stop: 300)])
        #expect(machine.stop == 300)
        #expect(machine.handle(.stop(seconds: 0)) == [.tellHelper(stop: 0)])
        #expect(machine.handle(.stop(seconds: 90)) == [.tellHelper(stop: 90)])
        #expect(machine.stop == 0)
        // One that is stopping already, as an earlier agent asked it to, is not told to hurry.
        machine = TaskMachine(.alive(nil, stop: nil), removesWhenDone: false)
        _ = machine.handle(.helper(Cases.running(.stopping)))
        #expect(machine.visible == .stopping && machine.stop == nil)
    }

    @Test func aRemovalThatFailedCanBeTriedAgain() {
        var machine = TaskMachine(.exited(Cases.exit), removesWhenDone: false)
        #expect(machine.handle(.remove) == [.remove])
        #expect(machine.handle(.remove) == [])
        #expect(machine.handle(.failed("busy")) == [])
        #expect(machine.handle(.remove) == [.remove])
    }

    @Test(arguments: [
        (TaskMachine.State.preparing(isStopRequested: false), TaskStatus.State.preparing),
        (.preparing(isStopRequested: true), .preparing), (.alive(nil, stop: nil), .starting), (.alive(nil, stop: 1), .stopping),
        (.alive(Cases.running(.starting), stop: nil), .starting), (.alive(Cases.running(.running), stop: nil), .running),
        (.alive(Cases.running(.stopping), stop: nil), .stopping), (.alive(Cases.running(.running), stop: 1), .stopping),
        (.exited(Cases.exit), .exited), (.failed(""), .failed), (.removing(.exited(Cases.exit)), .exited),
        (.removing(.failed("")), .failed),
    ])
    func clientsSeeThis(_ state: TaskMachine.State, _ visible: TaskStatus.State) {
        #expect(TaskMachine(state, removesWhenDone: false).visible == visible)
    }
}
