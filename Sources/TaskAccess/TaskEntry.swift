import CLinux
import Glibc
public import Linux
public import Seccomp
public import TaskHelper

/// The one way into a running container: its namespaces, its control group, and all that holds its own processes.
///
/// What it starts has the container's capabilities, filter of system calls, `no_new_privs`, resource limits and OOM score, a session of
/// its own, and nothing of the caller's: no environment, working directory, keyring, umask or terminal.
public struct TaskEntry: ~Copyable, Sendable {
    /// What holds a command beside namespaces and control group.
    public enum Confinement: Sendable {
        /// As the container's own processes are held: by this filter, and no more capabilities than these, nor more than its first
        /// process has.
        case asTask(SystemCallFilter, Spawn.Capabilities)
        /// All capabilities of the container's user namespace, those of the host where it has none, and no filter.
        case privileged
    }

    /// The container's root directory.
    public let root: OwnedFD
    /// A pidfd of its first process.
    private let process: OwnedFD
    private let name: String
    private let cgroups: [String]
    private let hold: Hold

    /// - Parameters:
    ///   - leader: the container's first process.
    ///   - cgroups: `cgroup.procs` files that are entered.
    ///   - name: for errors: `task 'web'`.
    /// - Throws: `TaskAccessError` when it has ended, `SystemError` for what can't be looked at.
    public init(
        into leader: ProcessIdentity, cgroups: [String], confinement: Confinement, name: String
    ) throws {
        let ended = TaskAccessError(.ended, "\(name) has ended, so nothing can run in it")
        guard leader.isRunning else { throw ended }
        let process = try OwnedFD.ofProcess(leader.pid)
        let root = try OwnedFD.open("/proc/\(leader.pid)/root", DISH_O_PATH | O_DIRECTORY)
        let hold = try Hold(of: leader.pid, confinement)
        let isApart = try cgroups.isEmpty && Self.unifiedGroup("self") != Self.unifiedGroup("\(leader.pid)")
        // Its number may have been another's meanwhile.
        guard leader.isRunning else { throw ended }
        // Without both, what is started would see the host's files or processes.
        let needed = DISH_CLONE_NEWNS | DISH_CLONE_NEWPID
        guard hold.namespaces & needed == needed else {
            throw TaskAccessError(
                .notApart, "\(name) has no mount and PID namespaces of its own, so nothing can be started in them; restart it")
        }
        guard !isApart else {
            throw TaskAccessError(
                .notApart,
                "the control group of \(name) isn't known, so what is started in it would escape its limits; restart the agent, or the task where that doesn't help"
            )
        }
        self.process = process
        self.root = root
        self.hold = hold
        self.name = name
        self.cgroups = cgroups
    }

    /// The control group of a process in the v2 hierarchy; nil on hosts without one.
    private static func unifiedGroup(_ process: String) throws(SystemError) -> Substring? {
        try Files.readText("/proc/\(process)/cgroup").split(separator: "\n").first { $0.hasPrefix("0::") }
    }

    /// How to start a command inside. The descriptors of this entry must stay open until it has been started.
    ///
    /// - Parameters:
    ///   - environment: of the task.
    ///   - directory: nil for the user's home, or `/` where there is none or the user may not enter it.
    /// - Throws: `TaskAccessError` for a command or directory that isn't there.
    public func spawn(
        _ command: [String], as user: TaskUser, environment: [String: String] = [:], directory: String? = nil
    ) throws -> Spawn {
        if let directory, !root.contains(directory) {
            throw TaskAccessError(.noDirectory, "there is no directory '\(directory)' in \(name)")
        }
        let place = directory ?? (root.contains(user.home) ? user.home : "/")
        var variables = Spawn.plainEnvironment.merging(environment) { $1 }
        variables.merge(["HOME": user.home, "USER": user.name, "LOGNAME": user.name, "SHELL": user.shell]) { $1 }
        let program = try find(command.first ?? "", path: variables["PATH"] ?? "", from: place)
        var spawn = Spawn(program, Array(command.dropFirst()), environment: variables)
        spawn.cgroups = cgroups
        spawn.directory = place
        spawn.isDirectoryOptional = directory == nil
        spawn.identity = (user.user, user.group)
        spawn.groups = user.groups
        spawn.pipeOwner = hold.hostUser(of: user.user)
        spawn.deathSignal = SIGKILL
        spawn.join = Spawn.Join(process: process.number, namespaces: hold.namespaces)
        spawn.filters = hold.filters
        spawn.capabilities = hold.capabilities
        spawn.limits = hold.limits
        spawn.oomScore = hold.oomScore
        return spawn
    }

    /// Whether a path exists in the container.
    public func contains(_ path: String) -> Bool { root.contains(path) }

    /// Where a command is: nothing inside is asked.
    private func find(_ command: String, path: String, from directory: String) throws -> String {
        let candidates =
            command.hasPrefix("/")
            ? [command]
            : command.contains("/")
                ? ["\(directory)/\(command)"]
                : command.isEmpty ? [] : path.split(separator: ":").map { "\($0)/\(command)" }
        var isThere = false
        for candidate in candidates {
            guard let file = try? root.open(inRoot: candidate, DISH_O_PATH) else { continue }
            isThere = true
            var status = stat()
            let number = file.number
            if fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o111 != 0 { return candidate }
        }
        if isThere {
            throw TaskAccessError(.notExecutable, "'\(command)' in \(name) is not an executable file")
        }
        let places = command.contains("/") ? "" : "; it was looked for in \(path)"
        throw TaskAccessError(.noCommand, "there is no '\(command)' in \(name)\(places)")
    }
}

/// What a process is held by.
private struct Hold {
    let namespaces: CInt
    let filters: [[UInt8]]
    let capabilities: Spawn.Capabilities?
    let limits: [CInt: Spawn.ResourceLimit]
    let oomScore: Int
    /// The lines of its `/proc/PID/uid_map` (user_namespaces(7)): first id inside, first id outside, how many.
    private let users: [[UInt32]]

    init(of process: pid_t, _ confinement: TaskEntry.Confinement) throws {
        let directory = "/proc/\(process)"
        switch confinement {
        case .asTask(let filter, let most):
            filters = filter.programs
            // Before the namespaces: a process may gain capabilities by going into a new user namespace, but comes back from none.
            let own = try Self.capabilities(Files.readText("\(directory)/status"), directory)
            capabilities = .init(bounding: own.bounding & most.bounding, gainsNothing: own.gainsNothing || most.gainsNothing)
        case .privileged: (filters, capabilities) = ([], nil)
        }
        namespaces = try Namespaces.differing(from: process)
        limits = try ProcessLimits.tighter(of: process)
        users = try Files.readText("\(directory)/uid_map").split(separator: "\n").map { line in
            line.split(separator: " ").compactMap { UInt32($0) }
        }
        let score = try Files.readText("\(directory)/oom_score_adj").prefix { !$0.isWhitespace }
        oomScore = max(0, Int(score) ?? 0)
    }

    /// Nil for one that the host has no user for.
    func hostUser(of user: uid_t) -> uid_t? {
        users.lazy.filter { $0.count == 3 && user >= $0[0] && user - $0[0] < $0[2] }.map { $0[1] + (user - $0[0]) }.first
    }

    private static func capabilities(_ status: String, _ directory: String) throws -> Spawn.Capabilities {
        func field(_ name: String) -> Substring? {
            status.split(separator: "\n").first { $0.hasPrefix("\(name):\t") }?.dropFirst(name.count + 2)
        }
        guard let bounding = field("CapBnd").flatMap({ UInt64($0, radix: 16) }), let gainsNothing = field("NoNewPrivs") else {
            throw SystemError("find capabilities in", "\(directory)/status", code: EINVAL)
        }
        return Spawn.Capabilities(bounding: bounding, gainsNothing: gainsNothing != "0")
    }
}
