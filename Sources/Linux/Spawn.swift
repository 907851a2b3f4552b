import CLinux
public import Glibc

/// How to start a program. There is one fork/exec path in this project; it is in `CLinux`.
public struct Spawn: Sendable {
    /// Absolute path of the program, as seen after the namespaces are joined.
    public var program: String
    /// Arguments after the program's own name.
    public var arguments: [String]
    /// The whole environment: nothing is inherited.
    public var environment: [String: String]
    /// The working directory; nil for the caller's.
    public var directory: String?
    /// True if a program in joined namespaces runs in `/` when its user may not enter that directory.
    public var isDirectoryOptional = false
    /// The descriptors that become 0, 1, 2, … in the child; -1 is `/dev/null`.
    public var descriptors: [CInt] = [-1, -1, -1]
    /// The host's user that the pipes among the descriptors are given to; nil for the caller. Whoever reaches them in the child's
    /// `/proc/self/fd`, its `/dev/stdout` say, can then open them. Never for a pipe of somebody else's.
    public var pipeOwner: uid_t?
    /// `cgroup.procs` files the child enters before anything else.
    public var cgroups: [String] = []
    /// Whether the child leads a new session.
    public var newSession = false
    /// Whether the child belongs to init: it outlives the caller and isn't waited for.
    public var detached = false
    /// The signal the child gets when the *thread* that spawned it ends; nil for none.
    public var deathSignal: CInt?
    /// Path of a network namespace the child runs in; nil for the caller's.
    public var networkNamespace: String?
    /// `CLONE_NEW…` flags of namespaces made for the child.
    public var unshare: CInt = 0
    /// Another process's namespaces to run in.
    public var join: Join?
    /// How long the program may run before `Command` kills it; nil for as long as it wants.
    public var timeLimit: Duration?
    /// The user and group the program runs as; nil for the caller's (or 0 after joining).
    public var identity: (user: uid_t, group: gid_t)?
    /// The supplementary groups, with an identity.
    public var groups: [gid_t] = []
    /// Seccomp filters, installed in this order before the identity changes: each is a whole array of `struct sock_filter`, 8 bytes
    /// an instruction (linux/filter.h). They must allow what the child still calls: prctl, capget, capset, setgroups, setresgid,
    /// setresuid, dup2, fcntl, close_range, prlimit64, chdir, execve.
    ///
    /// The caller needs `CAP_SYS_ADMIN` in its user namespace, or `capabilities` with `gainsNothing`.
    public var filters: [[UInt8]] = []
    /// The most that the program and its descendants may have; nil for what the caller has.
    public var capabilities: Capabilities?
    /// Limits of getrlimit(2), by resource.
    public var limits: [CInt: ResourceLimit] = [:]
    /// The OOM score (oom_score_adj, proc(5)); nil for the caller's, or 0 if that is negative.
    public var oomScore: Int?

    public struct Capabilities: Sendable, Equatable {
        /// The bounding set, a bit for each as in proc_pid_status(5). None beyond it is permitted or effective; none is inheritable
        /// or ambient.
        public var bounding: UInt64
        /// No program gets any by being executed (`PR_SET_NO_NEW_PRIVS`).
        public var gainsNothing: Bool

        public init(bounding: UInt64, gainsNothing: Bool = false) {
            self.bounding = bounding
            self.gainsNothing = gainsNothing
        }
    }

    /// A soft and a hard limit of getrlimit(2); `UInt64.max` is none, as the kernel has it.
    public struct ResourceLimit: Sendable, Equatable {
        public var soft: UInt64
        public var hard: UInt64

        public init(soft: UInt64, hard: UInt64) {
            self.soft = soft
            self.hard = hard
        }
    }

    /// Another process's namespaces. The program then leads a session of its own, has the umask 022 and no keyring of the caller's, and
    /// must have been started within a minute: the cgroup it is born into may be frozen.
    public struct Join: Sendable {
        /// A pidfd of the process whose namespaces are joined.
        public var process: CInt
        /// `CLONE_NEW…` flags: which of them.
        public var namespaces: CInt
        /// A Unix socket that is sent the master of a new pseudo-terminal of that mount namespace;
        /// nil when the program shall have no terminal of its own.
        public var terminal: CInt?

        /// Sent to the process that `start` returns, this ends the program and its process group: with SIGTERM, and a moment later
        /// SIGKILL. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to that group.
        public static let endSignal = DISH_SPAWN_END_SIGNAL

        public init(process: CInt, namespaces: CInt, terminal: CInt? = nil) {
            self.process = process
            self.namespaces = namespaces
            self.terminal = terminal
        }
    }

    public init(_ program: String, _ arguments: [String] = [], environment: [String: String] = Spawn.plainEnvironment) {
        self.program = program
        self.arguments = arguments
        self.environment = environment
    }

    /// What a system program needs to run, and nothing of the caller's environment.
    public static let plainEnvironment = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
    ]

    /// Starts the program and returns its process id.
    ///
    /// - Throws: `SystemError` naming the step that failed: no program, no such cgroup, …
    public func start() throws(SystemError) -> pid_t {
        guard let first = cgroups.first(where: Self.isUnified) else { return try start(bornInto: nil, moved: cgroups) }
        do {
            return try start(bornInto: Files.parent(of: first), moved: cgroups.filter { $0 != first })
        } catch  where error.code == ENOSYS || error.code == E2BIG {
            // Kernels before 5.7, and sandboxes that don't let clone3 through.
            return try start(bornInto: nil, moved: cgroups)
        }
    }

    /// Whether a `cgroup.procs` file is of the v2 hierarchy.
    private static func isUnified(_ procs: String) -> Bool {
        guard let directory = try? OwnedFD.open(Files.parent(of: procs), O_RDONLY | O_DIRECTORY) else { return false }
        var status = dish_statfs()
        return dish_fstatfs(directory.number, &status) == 0 && status.type == DISH_CGROUP2_SUPER_MAGIC
    }

    private func start(bornInto cgroup: String?, moved cgroups: [String]) throws(SystemError) -> pid_t {
        let argumentStrings = [program] + arguments
        let environmentStrings = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        // The kernel would take what is before it: another program, or other arguments, than was asked for.
        let strings = argumentStrings + environmentStrings + cgroups + [directory, networkNamespace].compactMap { $0 }
        if strings.contains(where: { $0.utf8.contains(0) }) {
            throw SystemError("pass text with a NUL byte to", program, code: EINVAL)
        }
        // BPF_MAXINSNS: linux/bpf_common.h.
        guard filters.allSatisfy({ !$0.isEmpty && $0.count % 8 == 0 && $0.count / 8 <= 4096 }) else {
            throw SystemError("install a system call filter for", program, code: EINVAL)
        }
        var step: CInt = 0
        var code: CInt = 0
        let child = withCStrings(argumentStrings) { arguments in
            withCStrings(environmentStrings) { environment in
                withCStrings(cgroups) { cgroups in
                    program.withCString { program in
                        withOptionalCStrings(directory, networkNamespace, cgroup) { directory, networkNamespace, birthCgroup in
                            var request = dish_spawn_request()
                            request.program = program
                            request.arguments = arguments
                            request.environment = environment
                            request.directory = directory
                            request.birth_cgroup = birthCgroup
                            request.cgroups = UnsafeRawPointer(cgroups).assumingMemoryBound(to: UnsafePointer<CChar>?.self)
                            request.network_namespace = networkNamespace
                            fill(&request)
                            return withLists(of: &request) { dish_spawn(&$0, &step, &code) }
                        }
                    }
                }
            }
        }
        if child >= 0 { return child }
        throw failure(step: step, code: code)
    }

    /// What is in the request itself.
    private func fill(_ request: inout dish_spawn_request) {
        request.directory_is_optional = isDirectoryOptional ? 1 : 0
        request.new_session = newSession || join != nil ? 1 : 0
        request.detached = detached ? 1 : 0
        request.death_signal = deathSignal ?? 0
        request.unshare_flags = unshare
        request.join_pidfd = join?.process ?? -1
        request.join_flags = join?.namespaces ?? 0
        request.terminal_socket = join?.terminal ?? 0
        request.start_limit = join == nil ? 0 : 60_000
        request.set_identity = identity != nil || join != nil ? 1 : 0
        request.uid = identity?.user ?? 0
        request.gid = identity?.group ?? 0
        request.set_pipe_owner = pipeOwner == nil ? 0 : 1
        request.pipe_owner = pipeOwner ?? 0
        request.set_capabilities = capabilities == nil ? 0 : 1
        request.capabilities = capabilities?.bounding ?? 0
        request.no_new_privileges = capabilities?.gainsNothing == true ? 1 : 0
        request.set_oom_score = oomScore == nil ? 0 : 1
        request.oom_score = CInt(clamping: oomScore ?? 0)
    }

    /// What it points to.
    private func withLists(of request: inout dish_spawn_request, _ body: (inout dish_spawn_request) -> pid_t) -> pid_t {
        let instructions = filters.flatMap { $0 }
        let limits = limits.map { dish_spawn_limit(resource: $0.key, soft: $0.value.soft, hard: $0.value.hard) }
        return instructions.withUnsafeBytes { instructions in
            var start = 0
            let programs = filters.map { filter in
                defer { start += filter.count }
                return dish_spawn_filter(
                    instructions: instructions.baseAddress.map { $0 + start }, count: UInt16(filter.count / 8))
            }
            return programs.withUnsafeBufferPointer { programs in
                limits.withUnsafeBufferPointer { limits in
                    descriptors.withUnsafeBufferPointer { descriptors in
                        groups.withUnsafeBufferPointer { groups in
                            (request.filters, request.filter_count) = (programs.baseAddress, CInt(programs.count))
                            (request.limits, request.limit_count) = (limits.baseAddress, CInt(limits.count))
                            (request.descriptors, request.descriptor_count) = (descriptors.baseAddress, CInt(descriptors.count))
                            (request.groups, request.group_count) = (groups.baseAddress, CInt(groups.count))
                            return body(&request)
                        }
                    }
                }
            }
        }
    }

    private func failure(step: CInt, code: CInt) -> SystemError {
        switch dish_spawn_step(UInt32(step)) {
        case DISH_SPAWN_SETNS: SystemError("join namespaces to run", program, code: code)
        case DISH_SPAWN_TERMINAL: SystemError("open a terminal for", program, code: code)
        case DISH_SPAWN_CGROUP: SystemError("enter cgroup", cgroups.joined(separator: " "), code: code)
        case DISH_SPAWN_DIRECTORY: SystemError("change directory to", directory, code: code)
        case DISH_SPAWN_NETWORK: SystemError("join network namespace", networkNamespace, code: code)
        case DISH_SPAWN_UNSHARE: SystemError("create namespaces for", program, code: code)
        case DISH_SPAWN_IDENTITY: SystemError("change user for", program, code: code)
        case DISH_SPAWN_LIMITS: SystemError("set resource limits for", program, code: code)
        case DISH_SPAWN_KEYRING: SystemError("leave the session keyring for", program, code: code)
        case DISH_SPAWN_FILTER: SystemError("install a system call filter for", program, code: code)
        case DISH_SPAWN_CAPABILITIES: SystemError("limit capabilities for", program, code: code)
        case DISH_SPAWN_EXEC: SystemError("run", program, code: code)
        default: SystemError("start", program, code: code)
        }
    }
}

private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) throws -> Result
) rethrows -> Result {
    var pointers = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return try pointers.withUnsafeBufferPointer { try body($0.baseAddress!) }
}

private func withOptionalCStrings<Result>(
    _ first: String?, _ second: String?, _ third: String?,
    _ body: (UnsafePointer<CChar>?, UnsafePointer<CChar>?, UnsafePointer<CChar>?) throws -> Result
) rethrows -> Result {
    try withOptionalCString(first) { first in
        try withOptionalCString(second) { second in try withOptionalCString(third) { try body(first, second, $0) } }
    }
}

private func withOptionalCString<Result>(
    _ string: String?, _ body: (UnsafePointer<CChar>?) throws -> Result
) rethrows -> Result {
    guard let string else { return try body(nil) }
    return try string.withCString(body)
}
