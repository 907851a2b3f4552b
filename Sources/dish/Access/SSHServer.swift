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
        let place = try prepare()
        return try await blocking { try serve(place) }
    }

    private func serve(_ place: String) throws -> CInt {
        // The end of input is what ends a session in order, also when the client was killed.
        signal(SIGHUP, SIG_IGN)
        signal(SIGTERM, SIG_IGN)
        var session = try TaskSession(task)
        session.terminal = false
        session.heedsSignals = false
        session.directory = "/"
        return try session.run([program] + arguments(place))
    }

    private func arguments(_ place: String) -> [String] {
        let files = "/\(place)/\(Self.directory)"
        let options = [
            "HostKey=\(files)/host_key", "AuthorizedKeysFile=\(files)/authorized_keys", "AuthenticationMethods=publickey",
            "PermitRootLogin=prohibit-password", "PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "UsePAM=yes",
            "PrintMotd=no", "AcceptEnv=LANG LC_*", "Subsystem=sftp internal-sftp", "PidFile=none", "LogLevel=ERROR",
        ]
        return ["-i", "-e", "-f", "none"] + options.flatMap { ["-o", $0] }
    }

    /// Puts the keys where this `sshd`, and no other, looks for them: a file system in memory. A booted task's `/run` is one; a command's
    /// has one for this.
    ///
    /// - Returns: the directory that theirs is in, without a slash at its beginning.
    private func prepare() throws -> String {
        let hostKey = try SSHKeys.ofTask(task).privateKey()
        let authorized = Array("\(try SSHKeys.ofHost().publicKey()) dish\n".utf8)
        let root = try TaskRoot(task)
        let place = root.directory.contains("/run/host/\(Self.directory)") ? "run/host" : "run"
        try root.asRoot {
            // No link of the task's: what is made as root is made there and nowhere else.
            let run = try root.directory.open(beneath: "run", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            let above = try root.directory.open(beneath: place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            if mkdirat(above.number, Self.directory, 0o755) != 0, errno != EEXIST {
                throw SystemError("create directory", "/\(place)/\(Self.directory)")
            }
            try keepDirectory(in: run, of: root.firstID)
            let files = try above.open(beneath: Self.directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            try put(hostKey, "host_key", mode: 0o600, in: files)
            try put(authorized, "authorized_keys", mode: 0o644, in: files)
        }
        return place
    }

    /// Makes the empty directory that Debian's server wants, and again whenever it goes while a user logs in: its own unit makes it and
    /// takes it away whenever it ends, and one that can't start, of an image without host keys, does so several times while the task boots.
    ///
    /// The task's mount namespace isn't entered, nor a link of the task's followed.
    private func keepDirectory(in run: borrowing OwnedFD, of user: uid_t) throws {
        let watched = try run.duplicate()
        let number = try retryingInterrupts("watch", "/run") { inotify_init1(O_CLOEXEC) }
        let changes = OwnedFD(adopting: number)
        let path = "/proc/self/fd/\(watched.number)"
        try retryingInterrupts("watch", "/run") { inotify_add_watch(number, path, UInt32(IN_DELETE | IN_MOVED_FROM)) }
        Self.makeServerDirectory(in: watched.number)
        let (directory, inotify) = (watched.release(), changes.release())
        try startThread {
            try? FileOwner.with(user: user, group: user) { Self.remakeServerDirectory(in: directory, on: inotify) }
            close(directory)
            close(inotify)
        }
    }

    /// A task that has something else there only keeps its own `sshd` from working.
    private static func makeServerDirectory(in run: CInt) {
        _ = mkdirat(run, "sshd", 0o755)
    }

    private static func remakeServerDirectory(in run: CInt, on changes: CInt) {
        // sshd(8) itself gives a user no longer to log in (LoginGraceTime).
        let end = ContinuousClock.now + .seconds(120)
        var buffer = [UInt8](repeating: 0, count: 16384)
        while .now < end {
            makeServerDirectory(in: run)
            var polled = pollfd(fd: changes, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, 1000) > 0 else { continue }
            guard read(changes, &buffer, buffer.count) > 0 else { return }
            // A task that does nothing but remove it takes little of this program's time.
            makeServerDirectory(in: run)
            usleep(1000)
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
