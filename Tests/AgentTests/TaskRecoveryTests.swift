import AgentAPI
import Glibc
import Linux
import Spec
import TaskHelper
import Testing

@testable import Agent

/// What a new agent makes of the files that an earlier one and the helpers left.
@Suite struct TaskRecoveryTests {
    @Test func aTaskWithoutAHelperNeverStarted() throws {
        try withState([:]) { recovery, _ in
            guard case .neverStarted = recovery.event else {
                return #expect(Bool(false), "\(String(describing: recovery.event))")
            }
        }
    }

    @Test func aTaskThatHasEndedMeanwhileIsToldSo() throws {
        // Whatever else is there.
        for running in ["", record(boot: "other"), "damaged"] {
            try withState(["exit": Cases.exit.text, "running": running, "lock": ""]) { recovery, _ in
                guard case .exited(Cases.exit) = recovery.event else { return #expect(Bool(false)) }
            }
        }
    }

    @Test func aTaskOfAnEarlierBootIsGone() throws {
        try withState(["running": record(boot: "other")]) { recovery, _ in
            guard case .hindered("the host was restarted") = recovery.event else { return #expect(Bool(false)) }
        }
    }

    @Test func aHelperThatRunsIsFoundAgain() throws {
        let boot = try ProcessIdentity.bootID()
        let own = try #require(ProcessIdentity(running: getpid()))
        try withState(["running": record(boot: boot, helper: own)]) { recovery, _ in
            let event = try #require(recovery.event)
            #expect(event.isAlive)
        }
    }

    @Test func aProcessThatOnlyHasTheHelpersNumberIsNotTheHelper() throws {
        let boot = try ProcessIdentity.bootID()
        let own = try #require(ProcessIdentity(running: getpid()))
        let other = try #require(ProcessIdentity("\(own.pid):\(own.start + 1)"))
        try withState(["running": record(boot: boot, helper: other)]) { recovery, _ in
            guard case .helperLost = recovery.event else { return #expect(Bool(false)) }
        }
    }

    @Test func aHelperThatHasSaidNothingYetIsKnownByItsLock() throws {
        try withState([:]) { recovery, folder in
            let lock = try FileLock.acquire("\(folder)/lock")
            #expect(recovery.hasHelper)
            #expect(recovery.event == nil)
            _ = consume lock
            #expect(!recovery.hasHelper)
            guard case .helperLost = recovery.event else { return #expect(Bool(false)) }
        }
    }

    /// Where its run's file is lost, only the boot of its intent is left.
    @Test func whatRunsWasNotEndedByAnEarlierStartOfTheHost() throws {
        let boot = try ProcessIdentity.bootID()
        let own = try #require(ProcessIdentity(running: getpid()))
        try withState(["running": record(boot: boot, helper: own)]) { recovery, folder in
            var made = recovery
            made.boot = "another"
            #expect(made.event?.isAlive == true)
            unlink("\(folder)/running")
            let lock = try FileLock.acquire("\(folder)/lock")
            #expect(made.event == nil)
            _ = consume lock
            guard case .hindered("the host was restarted") = made.event else { return #expect(Bool(false)) }
        }
    }

    /// Power cuts leave such files.
    @Test(arguments: ["", "code=", "\0\0\0\0", "code=0\noom=0\n"]) func aDamagedExitIsNoExit(_ text: String) throws {
        try withState(["exit": text, "lock": ""]) { recovery, _ in
            #expect(recovery.exit == nil)
            guard case .helperLost = recovery.event else { return #expect(Bool(false)) }
        }
    }

    @Test func whatEarlierRunsLeftTellsNothingOfThisOne() throws {
        let boot = try ProcessIdentity.bootID()
        let own = try #require(ProcessIdentity(running: getpid()))
        try withState(["exit": Cases.exit.text, "running": record(boot: boot, helper: own), "lock": ""]) { recovery, _ in
            var later = recovery
            later.generation = 2
            #expect(later.exit == nil && later.running == nil && later.lastRunning != nil)
            guard case .neverStarted = later.event else { return #expect(Bool(false)) }
        }
    }

    @Test func whatIsLeftOfATaskIsGoneOnWith() throws {
        func recovered(
            _ run: TaskRun, _ policy: RestartPolicy, _ event: TaskMachine.Event?
        ) -> (machine: TaskMachine, actions: [TaskMachine.Action]) {
            TaskMachine.recovered(
                run, policy: policy, removesWhenDone: false, boot: "b", running: nil, event: event, at: 1000)
        }
        var run = TaskRun(generation: 4, boot: "b")
        // In the middle of a start, of a pause, of a restart by a client, of a removal.
        #expect(
            recovered(run, RestartPolicy(), .neverStarted).machine.state
                == .settling(.failed("the agent ended before it was started"), then: .start))
        run.due = 1500
        #expect(
            recovered(run, RestartPolicy(.always), .exited(Cases.exit)).machine.state
                == .settling(.exited(Cases.exit), then: .restart(at: 1500)))
        run.boot = "another"
        #expect(
            recovered(run, RestartPolicy(.always), .exited(Cases.exit)).machine.state
                == .settling(.exited(Cases.exit), then: .restart(at: 1000)))
        run = TaskRun(generation: 4, wish: .again, stop: 7)
        let alive = recovered(run, RestartPolicy(), .helper(Cases.running(.running)))
        #expect(alive.machine.stop(at: 0) == 7 && alive.actions == [.tellHelper(stop: 7)])
        #expect(
            recovered(run, RestartPolicy(), .exited(Cases.exit)).machine.state == .settling(.exited(Cases.exit), then: .start))
        run.wish = .remove
        #expect(
            recovered(run, RestartPolicy(.always), .exited(Cases.exit)).machine.state
                == .settling(.failed("it is being removed"), then: .remove))
        let told = recovered(run, RestartPolicy(.always), .helper(Cases.running(.running)))
        #expect(told.actions == [.tellHelper(stop: 7)])
        // After a start of the host.
        for (policy, then) in [
            (RestartPolicy.Mode.no, TaskMachine.Next.rest), (.onFailure, .restart(at: 2000)), (.always, .restart(at: 2000)),
        ] {
            let lost = recovered(TaskRun(), RestartPolicy(policy), .hindered("the host was restarted")).machine
            #expect(lost.state == .settling(.failed("the host was restarted"), then: then))
        }
    }

    @Test func oneStartOfTheHostAfterAnotherIsNoFaultOfTheTasks() {
        var run = TaskRun()
        for number in 0..<20 {
            let (machine, _) = TaskMachine.recovered(
                run, policy: RestartPolicy(.onFailure, attempts: 1), removesWhenDone: false, boot: "b\(number)", running: nil,
                event: .hindered("the host was restarted"), at: 1000)
            #expect(machine.state == .settling(.failed("the host was restarted"), then: .restart(at: 2000)), "\(number)")
            run = machine.run
            // It has run since.
            run.due = nil
        }
    }

    @Test func theDirectoryOfSocketsMayNotBeTooLong() throws {
        try AgentConfiguration.check(runtimeDirectory: "/run/dish")
        let error = #expect(throws: SocketPathError.self) {
            try AgentConfiguration.check(runtimeDirectory: "/" + String(repeating: "x", count: 77))
        }
        #expect(error?.path.utf8.count == 109)
    }

    private func record(boot: String, helper: ProcessIdentity = Cases.identity) -> String {
        RunningRecord(phase: .running, boot: boot, helper: helper, runtime: Cases.identity, leader: nil, cgroups: []).text
    }

    private func withState(_ files: [String: String], _ body: (TaskRecovery, String) throws -> Void) throws {
        let folder = "/tmp/dish-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { try? Files.removeTree(folder) }
        try Files.makeDirectories(folder)
        for (name, text) in files where !(name == "running" && text.isEmpty) {
            try Files.replace("\(folder)/\(name)", with: text.utf8, durable: false)
        }
        try body(TaskRecovery(directory: folder), folder)
    }
}
