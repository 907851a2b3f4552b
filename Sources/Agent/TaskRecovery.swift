import Linux
import TaskHelper

/// What the files of an earlier agent and of its helpers tell about a task.
struct TaskRecovery: Sendable {
    /// The task's state directory.
    let directory: String
    /// The start of the host in which the task was made; nil when its intent doesn't say.
    var boot: String?

    /// The record of its end, if it has ended.
    var exit: ExitRecord? { (try? Files.readText("\(directory)/exit")).flatMap { ExitRecord($0) } }

    /// What its helper said last.
    var running: RunningRecord? { (try? Files.readText("\(directory)/running")).flatMap { RunningRecord($0) } }

    /// Whether a helper has it now: it holds this lock from its first moment to its last.
    var hasHelper: Bool { FileLock.isHeld("\(directory)/lock") }

    /// What has happened to it meanwhile; nil when a helper has it but has said nothing yet.
    var event: TaskMachine.Event? {
        if let exit { return .exited(exit) }
        // After a power cut the intent is what is sure to be left.
        if let boot, boot != (try? ProcessIdentity.bootID()) { return .failed("the host was restarted") }
        if let running {
            guard running.boot == (try? ProcessIdentity.bootID()) else { return .failed("the host was restarted") }
            return running.helper.isRunning ? .helper(running) : .helperLost
        }
        if Files.exists("\(directory)/lock") { return hasHelper ? nil : .helperLost }
        return .failed("the agent ended before it was started")
    }
}

extension TaskMachine.Event {
    /// Whether it tells of a helper that is there.
    var isAlive: Bool {
        if case .helper = self { return true }
        return false
    }
}
