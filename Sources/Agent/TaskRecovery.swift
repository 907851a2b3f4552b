import Linux
import TaskHelper

/// What the files of an earlier agent and of its helpers tell about a task.
struct TaskRecovery: Sendable {
    /// The task's state directory.
    let directory: String
    /// The start of the host in which the task was made; nil when its intent doesn't say.
    var boot: String?
    /// The number of the current run: what earlier ones left tells nothing of it.
    var generation = 1

    /// The record of its end, if it has ended.
    var exit: ExitRecord? {
        let record = lastExit
        return record?.generation == generation ? record : nil
    }

    /// The same of whichever run it was.
    var lastExit: ExitRecord? { (try? Files.readText("\(directory)/exit")).flatMap { ExitRecord($0) } }

    /// What its helper said last.
    var running: RunningRecord? {
        let record = lastRunning
        return record?.generation == generation ? record : nil
    }

    /// The same of whichever run it was.
    var lastRunning: RunningRecord? { (try? Files.readText("\(directory)/running")).flatMap { RunningRecord($0) } }

    /// Whether a helper has it now: it holds this lock from its first moment to its last.
    var hasHelper: Bool { FileLock.isHeld("\(directory)/lock") }

    /// What has happened to it meanwhile; nil when a helper has it but has said nothing yet.
    var event: TaskMachine.Event? {
        if let exit { return exit.isAbandoned ? .neverStarted : .exited(exit) }
        let now = try? ProcessIdentity.bootID()
        // What runs was started in this boot, whatever is said of it elsewhere.
        if let running, running.boot == now, running.helper.isRunning { return .helper(running) }
        if hasHelper { return nil }
        // After a power cut the intent is what is sure to be left.
        if let boot, boot != now { return .hindered("the host was restarted") }
        if let running { return running.boot == now ? .helperLost : .hindered("the host was restarted") }
        // Only of the first run the lock's file tells that it had a helper.
        return generation == 1 && Files.exists("\(directory)/lock") ? .helperLost : .neverStarted
    }
}

extension TaskMachine.Event {
    /// What a helper that is there said; nil when it tells of something else.
    var helper: RunningRecord? {
        if case .helper(let record) = self { return record }
        return nil
    }

    /// Whether it tells of a helper that is there.
    var isAlive: Bool { helper != nil }
}
