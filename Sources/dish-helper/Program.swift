import CLinux
import Glibc
import Linux
import TaskHelper

/// The container's process and its standard streams.
struct Program {
    enum Stream: Equatable {
        case output
        case errors
    }

    private var process: pid_t = -1
    private(set) var identity: ProcessIdentity?
    private var output: CInt = -1
    private var errors: CInt = -1
    private var input: CInt = -1
    /// The file in which the container's first process says how its program ended; nil for no such one.
    private var endFile: String?

    /// Starts it in its cgroup; it ends with this process.
    init(_ spec: HelperSpec, cgroups: [String], notify: String) throws {
        var environment = Self.ownEnvironment()
        environment["NOTIFY_SOCKET"] = notify
        var spawn = Spawn(spec.program[0], Array(spec.program.dropFirst()), environment: environment)
        spawn.cgroups = cgroups
        spawn.networkNamespace = spec.networkNamespace
        spawn.filters = spec.filters
        // The runtime takes its container along when it is told to end, and not when it is killed. An init that was booted is told
        // to shut down.
        spawn.deathSignal = SIGTERM
        var theirs: [CInt] = []
        if spec.terminal {
            var terminal: CInt = -1
            output = dish_open_terminal(&terminal)
            guard output >= 0 else { throw SystemError("open a terminal") }
            input = output
            spawn.newSession = true
            theirs = [terminal]
            spawn.descriptors = [terminal, terminal, terminal]
        } else {
            var (out, err, inp): ([CInt], [CInt], [CInt]) = ([-1, -1], [-1, -1], [-1, -1])
            guard dish_pipe(&out) == 0, dish_pipe(&err) == 0, dish_pipe(&inp) == 0 else { throw SystemError("create pipe") }
            (output, errors) = (out[0], err[0])
            theirs = [out[1], err[1], inp[0]]
            spawn.descriptors = [spec.input ? inp[0] : -1, out[1], err[1]]
            // Images open their /dev/stdout, by links from logs say.
            spawn.pipeOwner = spec.programUser
            if spec.input { input = inp[1] } else { close(inp[1]) }
        }
        defer { for descriptor in theirs { close(descriptor) } }
        for descriptor in [output, errors, input] where descriptor >= 0 { _ = dish_fcntl(descriptor, F_SETFL, Int(O_NONBLOCK)) }
        process = try spawn.start()
        // The runtime takes many milliseconds until it starts something. Processes in a namespace can't lower it.
        if spec.oomScore != 0 { try? Files.set("/proc/\(process)/oom_score_adj", "\(spec.oomScore)") }
        identity = ProcessIdentity(running: process)
        if spec.start?.endFile != nil { endFile = spec.path(ofMount: "end") }
    }

    var hasOutput: Bool { output >= 0 || errors >= 0 }

    var openStreams: [Stream] { (output >= 0 ? [.output] : []) + (errors >= 0 ? [.errors] : []) }

    func descriptor(of stream: Stream) -> CInt { stream == .output ? output : errors }

    /// What has arrived; nil at the end of the stream, which is closed then.
    mutating func read(_ stream: Stream) -> [UInt8]? {
        let descriptor = descriptor(of: stream)
        var chunk = [UInt8](repeating: 0, count: HelperMessage.capacity - 1)
        let count = Glibc.read(descriptor, &chunk, chunk.count)
        if count > 0 { return Array(chunk[..<count]) }
        if count < 0, errno == EAGAIN || errno == EINTR { return [] }
        // A terminal's end reads as EIO.
        close(descriptor)
        if stream == .output {
            if input == output { input = -1 }
            output = -1
        } else {
            errors = -1
        }
        return nil
    }

    enum Written {
        case took(Int)
        /// It reads no more for now.
        case full
        /// It reads no more at all, or has no input.
        case closed
    }

    /// For poll(2), while something waits to be written; -1 without input.
    var inputDescriptor: CInt { input }

    /// Whether input goes to a terminal, which may have room again without a word of it.
    var hasTerminal: Bool { input >= 0 && input == output }

    /// Writes to standard input what it takes without waiting.
    mutating func write(_ bytes: ArraySlice<UInt8>) -> Written {
        while input >= 0 {
            let count = bytes.withUnsafeBytes { Glibc.write(input, $0.baseAddress, $0.count) }
            if count >= 0 { return count == 0 && !bytes.isEmpty ? .full : .took(count) }
            if errno == EAGAIN { return .full }
            if errno != EINTR { endInput() }
        }
        return .closed
    }

    mutating func endInput() {
        if input >= 0, input != output { close(input) }
        input = -1
    }

    /// Whether a process is the runtime itself: only that speaks for it.
    func isRuntime(_ number: pid_t) -> Bool { process > 0 && process == number }

    func resize(rows: UInt16, columns: UInt16) {
        if output >= 0 { _ = dish_set_window_size(output, rows, columns) }
    }

    func signal(_ number: CInt) {
        if process > 0 { kill(process, number) }
    }

    /// How it ended, once it has.
    mutating func reap() -> ExitStatus? {
        var status: CInt = 0
        guard process > 0, waitpid(process, &status, WNOHANG) == process else { return nil }
        process = -1
        let end = ExitStatus(waitStatus: status)
        return toldEnd(of: end) ?? end
    }

    /// The runtime knows codes alone. What the container says of its end may be no other one: it can write what it likes.
    private func toldEnd(of end: ExitStatus) -> ExitStatus? {
        guard let endFile, let file = try? OwnedFD.open(endFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else { return nil }
        var told: CInt = 0
        guard Glibc.read(file.number, &told, MemoryLayout<CInt>.size) == MemoryLayout<CInt>.size else { return nil }
        let status = ExitStatus(waitStatus: told)
        return end == .code(status.shellCode) ? status : nil
    }

    private static func ownEnvironment() -> [String: String] {
        var variables: [String: String] = [:]
        var pointer = environ
        while let entry = pointer.pointee {
            let parts = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
            pointer += 1
        }
        return variables
    }
}
