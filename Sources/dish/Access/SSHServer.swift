import AgentAPI
import CLinux
import Glibc
import Linux

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

    /// Serves until the client or the session ends. Blocks.
    func run() throws -> CInt {
        try prepare()
        // The end of input is what ends a session in order, also when the client was killed.
        signal(SIGHUP, SIG_IGN)
        signal(SIGTERM, SIG_IGN)
        var entry = try TaskEntry(task, user: "root")
        entry.terminal = false
        entry.directory = "/"
        entry.environment = Spawn.plainEnvironment
        // Debian's server wants an empty directory of this name, which its own unit makes, and takes away whenever it
        // ends: one that can't start does so several times. A server that missed it has neither read nor written.
        let root = try TaskRoot(task)
        var code: CInt = 0
        for _ in 0..<20 {
            code = try entry.run(["/bin/sh", "-c", "mkdir -p /run/sshd && exec \"$@\"", "sshd", program] + arguments)
            if code != 255 || root.directory.contains("/run/sshd") { break }
        }
        return code
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
