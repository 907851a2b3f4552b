import AgentAPI
import Runtime
import Spec

/// What a task may ask of the kernel: its security's capabilities with what was added and dropped, and the system calls that are refused
/// (docs/security.md, "Capabilities and system calls").
struct TaskConfinement: Sendable, Equatable {
    /// Without `CAP_`.
    let capabilities: Set<String>
    /// Those, and others that have no effect where the task is: programs that ask for them by their file (capabilities(7)) can't be
    /// executed without, as `ping`. The bounding set of all that runs in the task.
    let allowedToFiles: Set<String>
    let refusedCalls: [String]
    let gainsNothing: Bool

    /// What programs of one purpose need that begin as root: own files of others, become somebody else, listen on any port.
    private static let command: Set<String> = [
        "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
        "SYS_CHROOT",
    ]

    /// Calls that make and enter namespaces and file systems.
    private static let refusedToCommands = [
        "mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
        "mount_setattr", "unshare", "setns",
    ]

    /// What reads other processes, or reaches files by other ways than their paths.
    private static let refusedToConfined = [
        "process_vm_readv", "process_vm_writev", "process_madvise", "name_to_handle_at", "open_by_handle_at", "chroot",
    ]

    /// - Parameter request: as its image has completed it.
    /// - Throws: `AgentError` for what can't be given.
    init(_ request: TaskRequest, hasAccount: Bool) throws(AgentError) {
        if request.security == .confined, request.command == nil {
            throw AgentError(
                .invalid,
                "'confined' is for a command, and the image \(request.image) is booted: its init needs the capabilities of its user namespace; leave it out, or give a command",
                at: "security")
        }
        let isCommand = request.command != nil && request.security != .system
        var capabilities =
            request.security == .confined ? [] : isCommand ? Self.command : Nspawn.capabilities
        // Without effect, and not to be claimed.
        capabilities.subtract(Self.ofTheNetwork(request))
        // systemd-nspawn takes this one away where it has no effect.
        var forFiles = request.security == .confined ? [] : Self.ofTheNetwork(request).subtracting(["NET_BIND_SERVICE"])
        let drop = try request.capabilities.drop.enumerated().map { index, name throws(AgentError) in
            try Self.known(name, "capabilities.drop[\(index)]", orAll: true)
        }
        if drop.contains(Self.all) { capabilities = [] }
        capabilities.subtract(drop)
        forFiles = drop.contains(Self.all) ? [] : forFiles.subtracting(drop)
        for (index, name) in request.capabilities.add.enumerated() {
            let path = "capabilities.add[\(index)]"
            let name = try Self.known(name, path, orAll: false)
            if drop.contains(name) {
                throw AgentError(.invalid, "\(name) is to be dropped, too; say one of both", at: path)
            }
            try Self.checkEffect(of: name, in: request, path)
            capabilities.insert(name)
        }
        // Its first program becomes that user, who then has none.
        if hasAccount { capabilities.formUnion(["SETUID", "SETGID"]) }
        self.capabilities = capabilities
        allowedToFiles = capabilities.union(forFiles)
        let isConfined = request.security == .confined
        let mayMount = capabilities.contains("SYS_ADMIN")
        refusedCalls =
            (isCommand && !mayMount ? Self.refusedToCommands : []) + (isConfined ? Self.refusedToConfined : [])
        gainsNothing = isConfined
    }

    private static let all = "ALL"

    private static func known(_ text: String, _ path: String, orAll: Bool) throws(AgentError) -> String {
        let upper = text.uppercased()
        let name = upper.hasPrefix("CAP_") ? String(upper.dropFirst(4)) : upper
        if orAll, name == all { return name }
        guard Nspawn.capabilities.contains(name) || beyond[name] != nil || name == "NET_ADMIN" else {
            throw AgentError(
                .invalid,
                "there is no capability '\(text)'; those a task can have are \(list), and NET_ADMIN with the network none",
                at: path)
        }
        return name
    }

    private static var list: String { Nspawn.capabilities.sorted().joined(separator: ", ") }

    /// Those that act on a task's network namespace, which belongs to the host's user namespace unless it is the task's alone.
    private static func ofTheNetwork(_ request: TaskRequest) -> Set<String> {
        request.userNamespace && request.network != .none ? ["NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW"] : []
    }

    /// Refuses what would be the host's, and what would do nothing.
    private static func checkEffect(of name: String, in request: TaskRequest, _ path: String) throws(AgentError) {
        if let why = beyond[name] {
            throw AgentError(.invalid, "\(name) can't be added: \(why)", at: path)
        }
        let network = request.network.rawValue
        if name == "NET_ADMIN", request.network != .none {
            throw AgentError(
                .invalid,
                "NET_ADMIN can't be added with the network \(network): it is the host's, and its addresses and rules are not a task's to change; only with the network none",
                at: path)
        }
        if ofTheNetwork(request).contains(name) {
            let instead =
                name == "NET_BIND_SERVICE" && request.network == .private ? "; any port can be listened on without it" : ""
            throw AgentError(
                .invalid,
                "\(name) would do nothing with the network \(network): its namespace belongs to the host's user namespace, and a task's capabilities end at its own\(instead)",
                at: path)
        }
    }

    /// Those that no task gets: what the kernel asks for them in the host's user namespace.
    private static let beyond: [String: String] = [
        "BLOCK_SUSPEND": "it keeps the host awake", "BPF": "it loads programs into the host's kernel",
        "CHECKPOINT_RESTORE": "systemd-nspawn refuses the calls that it is for", "IPC_LOCK": "locked memory is the host's",
        "MAC_ADMIN": "it changes the host's security policy", "MAC_OVERRIDE": "it overrides the host's security policy",
        "AUDIT_READ": "it reads the host's audit log", "PERFMON": "it watches the whole host",
        "SYSLOG": "it reads the host's kernel log", "SYS_MODULE": "it loads modules into the host's kernel",
        "SYS_PACCT": "it is about the accounting of all processes of the host", "SYS_RAWIO": "it reaches the host's hardware",
        "SYS_TIME": "it sets the host's clock", "WAKE_ALARM": "it wakes the host",
    ]
}

extension Container.Confinement {
    init(_ task: TaskConfinement) {
        self.init()
        (capabilities, refusedCalls, gainsNothing) = (task.allowedToFiles, task.refusedCalls, task.gainsNothing)
    }
}
