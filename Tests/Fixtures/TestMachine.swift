import Glibc
import Linux

/// A Debian with systemd as process 1 and cgroup v2, booted in user-mode-linux: a kernel that is an ordinary process.
///
/// Its disk is what `MachineDisk` makes. Commands reach it over a serial line, and a directory outside that is mounted at
/// `/host` inside: each command is a file there, and so are its output and exit code.
public actor TestMachine {
    private let disk: String
    private let directory: String
    /// The kernel's process while it runs. It leads a session, which has its helper threads and the processes inside too.
    private var kernel: pid_t?
    /// The serial line; what is written to it is read inside.
    private var line: Linux.Pipe?
    private var commands = 0

    /// - Parameter disk: path of the disk's file; one machine at a time can have it.
    init(disk: String) throws {
        self.disk = disk
        directory = try Scratch.make("machine")
        for name in ["host", "run", "memory"] { try Files.makeDirectories("\(directory)/\(name)", mode: 0o700) }
    }

    /// The path of the kernel.
    static func program() throws -> String {
        guard let program = Executable.find("linux.uml") else {
            throw FixtureError("user-mode-linux is not installed; install it: apt-get install user-mode-linux")
        }
        return program
    }

    /// Boots and returns once commands can be run.
    ///
    /// - Parameter root: the subvolume that is its root.
    public func boot(root: String = "machine") async throws {
        precondition(kernel == nil, "the machine runs already")
        let program = try Self.program()
        try Files.removeTree("\(sharedDirectory)/ready")
        var spawn = Spawn(
            program,
            [
                "mem=2G", "ubd0=\(disk)", "root=/dev/ubda", "rootfstype=btrfs", "rootflags=subvol=\(root)", "rw",
                // The console is only written, the first serial line only read.
                "con=null", "con0=null,fd:2", "ssl=null", "ssl0=fd:0,fd:1",
                "uml_dir=\(directory)/run", "umid=machine", "commands=\(sharedDirectory)",
            ])
        // Its memory is a file, which has no name once it is open.
        spawn.environment["TMPDIR"] = "\(directory)/memory"
        let console = try OwnedFD.open("\(directory)/console.log", O_WRONLY | O_CREAT | O_APPEND)
        let line = try OwnedFD.pipe()
        spawn.descriptors = [line.reading.number, -1, console.number]
        spawn.newSession = true
        kernel = try spawn.start()
        self.line = consume line
        try await wait(for: "\(sharedDirectory)/ready", seconds: 120, "boot")
    }

    /// Where a directory outside is that is `/host` inside.
    public nonisolated var sharedDirectory: String { "\(directory)/host" }

    /// Runs a script in the machine's bash(1) as root. Nothing it leaves running may keep its output open.
    public func run(_ script: String, seconds: Int = 120) async throws -> Outcome {
        commands += 1
        let name = "command-\(commands)"
        let path = "\(sharedDirectory)/\(name)"
        try Files.replace(path, with: (script + "\n").utf8, durable: false)
        try write("\(name)\n")
        try await wait(for: "\(path).code", seconds: seconds, script)
        guard let code = CInt(try Files.readText("\(path).code").prefix { !$0.isWhitespace }) else {
            throw FixtureError("run '\(script)': there is no exit code")
        }
        return Outcome(code: code, output: try Files.readText("\(path).output"), errors: try Files.readText("\(path).errors"))
    }

    /// Ends the machine as a power cut does: at once, with what it had not yet written to its disk lost.
    public func powerCut() {
        guard let kernel else { return }
        // The whole session: the kernel's helpers outlive it, and keep the disk locked.
        kill(-kernel, SIGKILL)
        waitpid(kernel, nil, 0)
        self.kernel = nil
        line = nil
    }

    /// Switches the machine off as an operator does.
    public func shutDown() async throws {
        guard let kernel else { return }
        try write("poweroff\n")
        for _ in 0..<1200 {
            if waitpid(kernel, nil, WNOHANG) != 0 { break }
            try await Task.sleep(for: .milliseconds(50))
        }
        powerCut()
    }

    /// What the machine's kernel and systemd printed.
    public var console: String { (try? Files.readText("\(directory)/console.log")) ?? "" }

    private func write(_ text: String) throws {
        guard let number = line?.writing.number else { throw FixtureError("the machine is off") }
        try Files.write(text.utf8, to: number, "the machine's serial line")
    }

    private func wait(for path: String, seconds: Int, _ what: String) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !Files.exists(path) {
            let ended = kernel.map { waitpid($0, nil, WNOHANG) != 0 } ?? true
            if ended || ContinuousClock.now > deadline {
                if ended { powerCut() }
                let reason = ended ? "it ended" : "nothing after \(seconds) s"
                throw FixtureError("machine: \(what): \(reason). Its console:\n\(console.suffix(4000))")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}

/// A machine that is booted once for a run of the tests, with the agent running on its pool.
public actor SharedMachine {
    public static let shared = SharedMachine()

    private var preparation: Task<TestMachine, any Error>?

    public func machine() async throws -> TestMachine {
        if let preparation { return try await preparation.value }
        let task = Task { try await Self.prepare() }
        preparation = task
        return try await task.value
    }

    private static func prepare() async throws -> TestMachine {
        // Before the minutes that making the disk takes.
        _ = try TestMachine.program()
        let machine = try TestMachine(disk: try await MachineDisk.make())
        try await machine.boot()
        let started = try await machine.run("dish pool create /pool && systemctl enable --now dishd")
        guard started.code == 0 else { throw FixtureError("start the agent in the machine: \(started)") }
        return machine
    }
}
