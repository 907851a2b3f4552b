import AgentAPI
import CLinux
import Glibc
import Linux

/// A way into a running task: the namespaces of its first process and its control group.
struct TaskEntry: Sendable {
    /// A line of the task's own passwd(5).
    struct Account: Sendable {
        var user: uid_t = 0
        var group: gid_t = 0
        var home = "/root"
        var shell = "/bin/sh"
    }

    let account: Account
    var directory: String?
    var environment: [String: String]
    /// nil: when this program has one.
    var terminal: Bool?
    private let leader: pid_t
    private let cgroups: [String]
    private let name: String

    init(_ task: TaskStatus, user: String) throws {
        guard let leader = task.processes?.leader, !task.state.hasEnded else {
            throw AgentError(.conflict, "the task '\(task.name)' is \(task.state.rawValue), so nothing can run in it")
        }
        self.leader = pid_t(leader)
        name = task.name
        cgroups = task.paths.cgroups
        account = try Self.account(user, in: pid_t(leader), task.name)
        environment = Spawn.plainEnvironment.merging(["HOME": account.home, "USER": user, "SHELL": account.shell]) { $1 }
        if let term = environmentVariable("TERM") { environment["TERM"] = term }
    }

    /// Runs a command to its end and returns its exit code; 127 when there is no such command. Blocks.
    func run(_ command: [String]) throws -> CInt {
        let pidfd = dish_pidfd_open(leader)
        guard pidfd >= 0 else { throw SystemError("find the first process of task", name) }
        let process = OwnedFD(adopting: pidfd)
        let root = try OwnedFD.open("/proc/\(leader)/root", DISH_O_PATH | O_DIRECTORY)
        guard let program = Self.find(command[0], in: root, environment["PATH"] ?? "") else {
            print("dish: there is no '\(command[0])' in task '\(name)'", to: .errors)
            return 127
        }
        let usesTerminal = terminal ?? (isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0)
        var spawn = Spawn(program, Array(command.dropFirst()), environment: environment)
        spawn.cgroups = cgroups
        spawn.directory = directory ?? account.home
        spawn.identity = (account.user, account.group)
        spawn.deathSignal = SIGKILL
        spawn.join = Spawn.Join(process: process.number, namespaces: try Namespaces.differing(from: leader))
        if !root.contains(spawn.directory ?? "/") {
            if let directory { throw AgentError(.invalid, "there is no directory '\(directory)' in task '\(name)'") }
            spawn.directory = "/"
        }
        if usesTerminal { return try TerminalSession().run(spawn) }
        spawn.descriptors = [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        // What ends this program ends the command: its own signals stay with it.
        return try ExitStatus.wait(for: spawn.start()).shellCode
    }

    /// The user's shell, or another where that is missing or lets nobody in.
    func loginShell() throws -> String {
        let root = try OwnedFD.open("/proc/\(leader)/root", DISH_O_PATH | O_DIRECTORY)
        let refuses = ["nologin", "false"].contains(Files.name(of: account.shell))
        let shells = (refuses ? [] : [account.shell]) + ["/bin/bash", "/bin/sh"]
        return shells.first { root.contains($0) } ?? account.shell
    }

    private static func find(_ command: String, in root: borrowing OwnedFD, _ path: String) -> String? {
        if command.contains("/") { return root.contains(command) ? command : nil }
        for directory in path.split(separator: ":") where root.contains("\(directory)/\(command)") {
            return "\(directory)/\(command)"
        }
        return nil
    }

    private static func account(_ user: String, in leader: pid_t, _ task: String) throws -> Account {
        let root = try OwnedFD.open("/proc/\(leader)/root", DISH_O_PATH | O_DIRECTORY)
        for line in Self.passwd(root).split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard fields.count >= 7, fields[0] == user || fields[2] == user, let id = uid_t(fields[2]),
                let group = gid_t(fields[3])
            else { continue }
            return Account(user: id, group: group, home: fields[5], shell: fields[6].isEmpty ? "/bin/sh" : fields[6])
        }
        if user == "root" { return Account() }
        throw AgentError(.notFound, "there is no user '\(user)' in task '\(task)'")
    }

    private static func passwd(_ root: borrowing OwnedFD) -> String {
        guard let file = try? root.open(inRoot: "/etc/passwd", O_RDONLY), let bytes = try? Files.read(file, "/etc/passwd") else {
            return ""
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
