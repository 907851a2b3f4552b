import AgentAPI
import CLinux
import Glibc
import Linux
import TaskHelper

/// An `sshd` of a task's image, for one connection over this program's standard input and output.
struct SSHServer {
    private static let directory = "dish-ssh"
    private static let programs = [
        "/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd", "/usr/bin/sshd", "/usr/local/bin/sshd",
    ]

    private let task: TaskStatus
    private let program: String

    /// - Throws: `AgentError` when the task doesn't run or its image has no `sshd`.
    init(_ task: TaskStatus) throws {
        guard task.processes?.leader != nil, !task.state.hasEnded else {
            throw AgentError(.conflict, "the task '\(task.name)' is \(task.state.rawValue), so nobody can log in")
        }
        let root = try TaskRoot(task)
        guard let program = Self.programs.first(where: { root.directory.contains($0) }) else {
            throw AgentError(
                .notFound,
                "the image of task '\(task.name)' has no SSH server; add the package openssh-server to it, or use what needs none: dish shell \(task.name), dish exec \(task.name) -- COMMAND, dish cp"
            )
        }
        self.task = task
        self.program = program
    }

    /// Serves until the client or the session ends.
    func run() async throws -> CInt {
        try prepare()
        try await blocking { try keepDirectory() }
        return try await blocking { try serve() }
    }

    private func serve() throws -> CInt {
        // The end of input is what ends a session in order, also when the client was killed.
        signal(SIGHUP, SIG_IGN)
        signal(SIGTERM, SIG_IGN)
        var session = try TaskSession(task)
        session.terminal = false
        session.heedsSignals = false
        session.directory = "/"
        return try session.run([program] + arguments)
    }

    private var arguments: [String] {
        let files = "/run/\(Self.directory)"
        let options = [
            "HostKey=\(files)/host_key", "AuthorizedKeysFile=\(files)/authorized_keys", "AuthenticationMethods=publickey",
            "PermitRootLogin=prohibit-password", "PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "UsePAM=yes",
            "PrintMotd=no", "AcceptEnv=LANG LC_*", "Subsystem=sftp internal-sftp", "PidFile=none", "LogLevel=ERROR",
        ]
        return ["-i", "-e", "-f", "none"] + options.flatMap { ["-o", $0] }
    }

    /// Puts the keys where this `sshd`, and no other, looks for them: a file system in memory.
    private func prepare() throws {
        let hostKey = try SSHKeys.ofTask(task).privateKey()
        let authorized = Array("\(try SSHKeys.ofHost().publicKey()) dish\n".utf8)
        let root = try TaskRoot(task)
        try root.asRoot {
            let run = try root.directory.open(inRoot: "/run", O_RDONLY | O_DIRECTORY)
            if mkdirat(run.number, Self.directory, 0o755) != 0, errno != EEXIST {
                throw SystemError("create directory", "/run/\(Self.directory)")
            }
            let files = try run.open(beneath: Self.directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            try put(hostKey, "host_key", mode: 0o600, in: files)
            try put(authorized, "authorized_keys", mode: 0o644, in: files)
        }
    }

    /// Makes the empty directory that Debian's server wants, and so that it stays: its own unit makes it and takes it away whenever it
    /// ends, and one that can't start, of an image without host keys, does so several times while the task boots. What something is mounted
    /// on isn't taken away.
    ///
    /// Blocks, on a thread of its own: in the task's mount namespace.
    private func keepDirectory() throws {
        let leader = try task.leader()
        let path = "/run/sshd"
        if try Mounts.list(of: "\(leader.pid)").contains(where: { $0.path == path }) { return }
        let root = try TaskRoot(task)
        let run = try root.directory.open(inRoot: "/run", O_RDONLY | O_DIRECTORY)
        let namespace = try OwnedFD.open("/proc/\(leader.pid)/ns/mnt", O_RDONLY)
        // Its number can't have been another's when that was opened.
        guard leader.isRunning else { throw AgentError(.conflict, "the task '\(task.name)' has just ended") }
        guard dish_unshare(DISH_CLONE_FS) == 0, dish_setns(namespace.number, DISH_CLONE_NEWNS) == 0 else {
            throw SystemError("join mount namespace")
        }
        for attempt in 1... {
            try root.asRoot {
                if mkdirat(run.number, "sshd", 0o755) != 0, errno != EEXIST { throw SystemError("create directory", path) }
            }
            do {
                return try Mounts.mount(path, on: path, flags: UInt(MS_BIND))
            } catch {
                guard error.code == ENOENT, attempt < 100 else { throw error }
            }
        }
    }

    private func put(_ content: [UInt8], _ name: String, mode: mode_t, in directory: borrowing OwnedFD) throws {
        let number = directory.number
        let unfinished = ".\(name).\(getpid())"
        let created = try retryingInterrupts("create", name) {
            dish_openat(number, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        }
        let file = OwnedFD(adopting: created)
        do {
            try Files.write(content, to: file.number, name)
            try retryingInterrupts("rename", name) { renameat(number, unfinished, number, name) }
        } catch {
            unlinkat(number, unfinished, 0)
            throw error
        }
    }
}
