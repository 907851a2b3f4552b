import Linux
import TaskHelper

/// What the files of an earlier agent and of its helpers tell about a task.
struct TaskRecovery: Sendable {
    let configuration: AgentConfiguration

    /// The record of its end, if it has ended.
    func exit(_ task: TaskIntent) -> ExitRecord? {
        (try? Files.readText("\(configuration.state(of: task.id))/exit")).flatMap { ExitRecord($0) }
    }

    /// What has happened to it meanwhile; nil when a helper has it but has said nothing yet.
    func event(_ task: TaskIntent) -> TaskMachine.Event? {
        if let exit = exit(task) { return .exited(exit) }
        // After a power cut the intent is what is sure to be left.
        if let made = task.boot, made != (try? ProcessIdentity.bootID()) { return .failed("the host was restarted") }
        let state = configuration.state(of: task.id)
        if let record = (try? Files.readText("\(state)/running")).flatMap({ RunningRecord($0) }) {
            guard record.boot == (try? ProcessIdentity.bootID()) else { return .failed("the host was restarted") }
            return record.helper.isRunning ? .helper(record) : .helperLost
        }
        // A helper holds this lock from its first moment to its last.
        if Files.exists("\(state)/lock") { return FileLock.isHeld("\(state)/lock") ? nil : .helperLost }
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
