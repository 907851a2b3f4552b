import AgentAPI
import CLinux
import Glibc
import Linux
import TaskAccess
import TaskHelper

/// A command in a running task, on a terminal of the task or on pipes that are joined to this program's standard streams.
struct TaskSession: Sendable {
    var user = "root"
    /// nil: that of the task's command, or else the user's home.
    var directory: String?
    /// True if it is the user's home without one.
    var startsAtHome = false
    /// Beside what the task has.
    var environment: [String: String] = [:]
    /// nil: when this program has one.
    var terminal: Bool?
    /// Whether signals that end this program end the command.
    var heedsSignals = true
    /// Whether the command has all capabilities and no filter of system calls.
    var isPrivileged = false
    private let task: TaskStatus
    private let leader: ProcessIdentity

    init(_ task: TaskStatus) throws {
        guard task.processes?.leader != nil, !task.state.hasEnded else {
            throw AgentError(.conflict, "the task '\(task.name)' is \(task.state.rawValue), so nothing can run in it")
        }
        leader = try task.leader()
        self.task = task
    }

    /// Runs a command to its end and returns its exit code; 127 when there is no such command, 126 when it can't be executed. Blocks.
    func run(_ command: [String]) throws -> CInt {
        try run { _, _ in command }
    }

    /// Runs the user's shell, or another where that is missing or lets nobody in.
    func runShell() throws -> CInt {
        var session = self
        session.startsAtHome = true
        return try session.run { entry, user in
            let refuses = ["nologin", "false"].contains(Files.name(of: user.shell))
            let shells = (refuses ? [] : [user.shell]) + ["/bin/bash", "/bin/sh"]
            for shell in shells where entry.contains(shell) { return [shell, "-l"] }
            return [user.shell, "-l"]
        }
    }

    private func run(_ command: (borrowing TaskEntry, TaskUser) -> [String]) throws -> CInt {
        let files = EntryFiles(in: Files.parent(of: task.paths.helper))
        let entry = try TaskEntry(
            into: leader, cgroups: task.paths.cgroups,
            confinement: isPrivileged ? .privileged : files.confinement(of: "task '\(task.name)'"), name: "task '\(task.name)'")
        let account = try TaskUser(user, in: entry.root, of: "task '\(task.name)'")
        do {
            var variables = files.environment()
            if let term = environmentVariable("TERM") { variables["TERM"] = term }
            // One that is gone is no reason to keep anybody out.
            let place = directory ?? (startsAtHome ? nil : files.workingDirectory()).flatMap { entry.contains($0) ? $0 : nil }
            var spawn = try entry.spawn(command(entry, account), as: account, environment: variables, directory: place)
            spawn.isDirectoryOptional = directory == nil
            spawn.environment.merge(environment) { $1 }
            let code: CInt
            if terminal ?? (isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
                code = try TerminalSession().run(spawn)
            } else {
                code = try PipedSession(heedsSignals: heedsSignals).run(spawn)
            }
            _ = consume entry
            return code
        } catch let error as TaskAccessError where error.code == .noCommand || error.code == .notExecutable {
            print("dish: \(error)", to: .errors)
            return error.code == .noCommand ? 127 : 126
        } catch let error as SystemError where error.operation == "run" {
            print("dish: \(error)", to: .errors)
            return error.code == ENOENT || error.code == ENOTDIR ? 127 : 126
        }
    }
}

extension TaskStatus {
    /// The first process of a running task.
    ///
    /// - Throws: `AgentError` when it is another one by now.
    func leader() throws -> ProcessIdentity {
        // The helper's own record says when it started, too: its number may be another's since the agent was asked.
        let record = paths.state.flatMap { try? Files.readText("\($0)/running") }.flatMap { RunningRecord($0) }
        let number = pid_t(processes?.leader ?? 0)
        guard let leader = record?.leader ?? ProcessIdentity(running: number), leader.pid == number, leader.isRunning else {
            throw AgentError(.conflict, "the task '\(name)' has just ended or been restarted; try it again")
        }
        return leader
    }
}
