import Glibc
import Linux
import TaskHelper
import Testing

@testable import Agent

/// What a new agent makes of the files that an earlier one and the helpers left.
@Suite struct TaskRecoveryTests {
    @Test func aTaskWithoutAHelperNeverStarted() throws {
        try withState([:]) { recovery, _ in
            guard case .failed("the agent ended before it was started") = recovery.event else {
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
            guard case .failed("the host was restarted") = recovery.event else { return #expect(Bool(false)) }
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

    /// Power cuts leave such files.
    @Test(arguments: ["", "code=", "\0\0\0\0", "code=0\noom=0\n"]) func aDamagedExitIsNoExit(_ text: String) throws {
        try withState(["exit": text, "lock": ""]) { recovery, _ in
            #expect(recovery.exit == nil)
            guard case .helperLost = recovery.event else { return #expect(Bool(false)) }
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
