import AgentAPI
import CLinux
import Glibc
import Linux
import TaskHelper

/// A task's root directory, from outside. Paths are resolved in it: links lead where they lead inside, never out.
struct TaskRoot: ~Copyable {
    let directory: OwnedFD
    /// The host's id of user 0 inside, as files have it that are seen through `directory`.
    let firstID: uid_t
    /// Whether this is what its processes see, with all that is mounted there.
    let isLive: Bool

    /// A running task as it sees itself; another one's root file system.
    init(_ task: TaskStatus) throws {
        if task.processes?.leader != nil, !task.state.hasEnded {
            let leader = try task.leader()
            let opened = try OwnedFD.open("/proc/\(leader.pid)/root", O_RDONLY | O_DIRECTORY)
            // Its number can't have been another's when it was opened.
            guard leader.isRunning else { throw AgentError(.conflict, "the task '\(task.name)' has just ended") }
            directory = opened
            firstID = task.userBase ?? 0
            isLive = true
        } else {
            directory = try OwnedFD.open(task.paths.root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            firstID = 0
            isLive = false
        }
    }

    /// Makes files as root inside.
    func asRoot<Result: ~Copyable>(_ body: () throws -> Result) throws -> Result {
        firstID == 0 ? try body() : try FileOwner.with(user: firstID, group: firstID, body)
    }
}
