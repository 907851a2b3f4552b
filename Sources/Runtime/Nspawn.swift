public import Linux

/// systemd-nspawn(1), version 250 or later (mapped ownership).
public struct Nspawn: Runtime {
    public init() {}

    public func spawn(_ container: Container) throws(RuntimeError) -> Spawn {
        guard let program = Executable.find("systemd-nspawn") else {
            throw RuntimeError(
                .notInstalled,
                "cannot run containers: systemd-nspawn is not installed; install it: apt-get install systemd-container")
        }
        var spawn = Spawn(program, try arguments(container))
        // It runs in the namespace rather than being told its path: it would try to join from inside the user
        // namespace it makes, and may not.
        if case .namespace(let path) = container.network { spawn.networkNamespace = path }
        // Each task has one helper, so nspawn's own lock files beside the root add nothing.
        spawn.environment["SYSTEMD_NSPAWN_LOCK"] = "0"
        if container.keepsRuntimeDirectories { spawn.environment["SYSTEMD_NSPAWN_TMPFS_TMP"] = "0" }
        return spawn
    }

    /// What a container has unless it is told otherwise, without `CAP_`: those that a booted system needs, and none that reaches
    /// out of its namespaces.
    public static let capabilities: Set<String> = [
        "AUDIT_CONTROL", "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_OWNER", "KILL",
        "LEASE", "LINUX_IMMUTABLE", "MKNOD", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP",
        "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_NICE", "SYS_PTRACE", "SYS_RESOURCE", "SYS_TTY_CONFIG",
    ]

    /// Where systemd-nspawn looks for systemd.nspawn(5) files and keeps what it shares with others. The first would go before ours.
    public var privateDirectories: [String] { ["/etc/systemd/nspawn", Self.settingsDirectory] }

    /// The file that systemd-nspawn mounts over files of /proc that are the machine's, such as sysrq-trigger. It looks for it inside, and goes on
    /// without when it isn't there: root without a user namespace could then write to them. A booted image makes its own.
    private static let mask = "/run/systemd/inaccessible/reg"

    private static let settingsDirectory = "/run/systemd/nspawn"

    public func privateFiles(_ container: Container) throws(RuntimeError) -> [String: String] {
        let variables = try container.environment.sorted { $0.key < $1.key }.map { name, value throws(RuntimeError) in
            guard !"\(name)\(value)".utf8.contains(where: { $0 == UInt8(ascii: "\n") || $0 == 0 }) else {
                throw RuntimeError(
                    .invalid,
                    "the variable '\(name)' has a line break or a NUL byte, which the init of a booted image can't be given")
            }
            return "Environment=\(Self.quoted("\(name)=\(value)"))\n"
        }
        return ["\(Self.settingsDirectory)/\(container.name).nspawn": "[Exec]\n" + variables.joined()]
    }

    /// A word of a list (systemd.syntax(7)): in these settings backslashes mean themselves.
    private static func quoted(_ text: String) -> String {
        "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"'\"'\"") + "\""
    }

    func arguments(_ container: Container) throws(RuntimeError) -> [String] {
        guard Self.isHostName(container.name) else {
            throw RuntimeError(
                .invalid, "'\(container.name)' can't be a host name: use letters, digits and dashes, 63 at most")
        }
        var list = [
            // Nothing beside the root, and no machine manager, changes what is launched.
            "--quiet", "--settings=\(container.hasPrivateFiles ? "trusted" : "no")", "--register=no", "--keep-unit",
            "--link-journal=no", "--timezone=off",
            "--directory=\(container.root)", "--machine=\(container.name)",
        ]
        if let machineID = container.machineID { list.append("--uuid=\(machineID)") }
        if let base = container.userBase {
            list += ["--private-users=\(base):65536", "--private-users-ownership=map"]
        }
        if container.readOnly { list.append("--read-only") }
        if let limit = container.processLimit { list.append("--rlimit=NPROC=\(limit)") }
        if let limit = container.dataLimit { list.append("--rlimit=DATA=\(limit)") }
        list.append("--resolv-conf=\(container.resolvesNames ? Self.nameResolution() : "off")")
        list += network(container.network)
        list += confinement(container)
        switch container.console {
        case .pipe: list.append("--console=pipe")
        case .terminal: list.append("--console=interactive")
        case .output: list.append("--console=read-only")
        }
        for credential in container.credentials {
            guard !credential.name.isEmpty, !credential.name.contains(where: { $0 == ":" || $0 == "/" }) else {
                throw RuntimeError(.invalid, "'\(credential.name)' can't be a credential's name")
            }
            list.append("--load-credential=\(credential.name):\(credential.path)")
        }
        // systemd-nspawn mounts in the order of the paths: over the /run that it has made, and below what is bound there.
        if container.keepsRuntimeDirectories { list.append("--tmpfs=/run/host:mode=0755,nosuid,noexec,size=1m") }
        for bind in container.binds { list.append(try argument(bind, mapped: container.userBase != nil)) }
        for memory in container.memory {
            let path = memory.target.map { $0 == ":" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
            list.append("--tmpfs=\(path):mode=0755,size=\(memory.size)\(memory.readOnly ? ",ro" : "")")
        }
        for (name, value) in container.environment.sorted(by: { $0.key < $1.key }) where !container.hasPrivateFiles {
            list.append("--setenv=\(name)=\(value)")
        }
        switch container.program {
        case .boot:
            list += ["--boot", "--notify-ready=yes", "--kill-signal=SIGRTMIN+3"]
        case .command(let command):
            guard let first = command.first, !first.isEmpty else {
                throw RuntimeError(.invalid, "the command to run in '\(container.name)' is empty")
            }
            if container.userBase == nil { list.append("--bind-ro=/dev/null:\(Self.mask)") }
            if let user = container.user { list.append("--user=\(user)") }
            if let directory = container.directory { list.append("--chdir=\(directory)") }
            list += (container.isFirstProcess ? [] : ["--as-pid2"]) + ["--"] + command
        }
        return list
    }

    private func confinement(_ container: Container) -> [String] {
        var list: [String] = []
        let confinement = container.confinement
        if let wanted = confinement.capabilities {
            // Of a network of its own it has this too.
            let own = container.network == .none ? Self.capabilities.union(["NET_ADMIN"]) : Self.capabilities
            func names(_ set: Set<String>) -> String { set.sorted().map { "CAP_\($0)" }.joined(separator: ",") }
            let (more, less) = (wanted.subtracting(own), own.subtracting(wanted))
            if !more.isEmpty { list.append("--capability=\(names(more))") }
            if !less.isEmpty { list.append("--drop-capability=\(names(less))") }
        }
        if !confinement.refusedCalls.isEmpty {
            list.append("--system-call-filter=~\(confinement.refusedCalls.joined(separator: " "))")
        }
        if confinement.gainsNothing { list.append("--no-new-privileges=yes") }
        return list
    }

    private func network(_ network: Container.Network) -> [String] {
        switch network {
        case .none: ["--private-network"]
        case .host, .namespace: []
        }
    }

    /// `PATH` and `TARGET` separate with colons, which a backslash escapes.
    private func argument(_ bind: Container.Bind, mapped: Bool) throws(RuntimeError) -> String {
        guard bind.source.hasPrefix("/"), bind.target.hasPrefix("/") else {
            throw RuntimeError(.invalid, "bind mount '\(bind.source)' at '\(bind.target)': both must be absolute paths")
        }
        let escaped = [bind.source, bind.target].map { path in
            path.map { $0 == ":" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
        }
        let options = mapped && bind.mapsOwners ? ":idmap" : ""
        return "\(bind.readOnly ? "--bind-ro" : "--bind")=\(escaped[0]):\(escaped[1])\(options)"
    }

    /// The host's resolver as containers can reach it: never systemd-resolved's stub on 127.0.0.53.
    private static func nameResolution() -> String {
        Files.exists("/run/systemd/resolve/resolv.conf") ? "replace-uplink" : "replace-host"
    }

    static func isHostName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 63 && name.first != "-" && name.last != "-"
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
