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
        let processes = container.processLimit.map { "NPROC=\($0)" }
        let data = container.dataLimit.map { "DATA=\($0)" }
        // Nothing beside the root, and no machine manager, changes what is launched.
        var list = Arguments().flag("quiet").option("settings", container.hasPrivateFiles ? "trusted" : "no")
            .option("register", "no").flag("keep-unit").option("link-journal", "no").option("timezone", "off")
            .option("directory", container.root).option("machine", container.name).option("uuid", container.machineID)
            .option("private-users", container.userBase.map { "\($0):65536" })
            .option("private-users-ownership", container.userBase == nil ? nil : "map")
            .flag("read-only", if: container.readOnly).options("rlimit", [processes, data].compactMap(\.self))
            .option("resolv-conf", container.resolvesNames ? Self.nameResolution() : "off")
            .flag("private-network", if: container.network == .none)
        list = confine(list, container).option("console", Self.name(of: container.console))
        for credential in container.credentials {
            guard !credential.name.isEmpty, !credential.name.contains(where: { $0 == ":" || $0 == "/" }) else {
                throw RuntimeError(.invalid, "'\(credential.name)' can't be a credential's name")
            }
            list = list.option("load-credential", "\(credential.name):\(credential.path)")
        }
        // systemd-nspawn mounts in the order of the paths: over the /run that it has made, and below what is bound there.
        let run = container.keepsRuntimeDirectories ? "/run/host:mode=0755,nosuid,noexec,size=1m" : nil
        list = list.option("tmpfs", run)
        for bind in container.binds {
            list = list.option(bind.readOnly ? "bind-ro" : "bind", try Self.value(of: bind, mapped: container.userBase != nil))
        }
        for memory in container.memory {
            let options = "mode=0755,size=\(memory.size)\(memory.readOnly ? ",ro" : "")"
            list = list.option("tmpfs", "\(Self.escaped(memory.target)):\(options)")
        }
        let variables = container.hasPrivateFiles ? [:] : container.environment
        list = list.options("setenv", variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        switch container.program {
        case .boot:
            return list.flag("boot").option("notify-ready", "yes").option("kill-signal", "SIGRTMIN+3").list
        case .command(let command):
            guard let first = command.first, !first.isEmpty else {
                throw RuntimeError(.invalid, "the command to run in '\(container.name)' is empty")
            }
            return list.option("bind-ro", container.userBase == nil ? "/dev/null:\(Self.mask)" : nil)
                .option("user", container.user).option("chdir", container.directory)
                .flag("as-pid2", if: !container.isFirstProcess).end(command).list
        }
    }

    private static func name(of console: Container.Console) -> String {
        switch console {
        case .pipe: "pipe"
        case .terminal: "interactive"
        case .output: "read-only"
        }
    }

    private func confine(_ arguments: Arguments, _ container: Container) -> Arguments {
        let confinement = container.confinement
        var list = arguments
        if let wanted = confinement.capabilities {
            // Of a network of its own it has this too.
            let own = container.network == .none ? Self.capabilities.union(["NET_ADMIN"]) : Self.capabilities
            func names(_ set: Set<String>) -> String? {
                set.isEmpty ? nil : set.sorted().map { "CAP_\($0)" }.joined(separator: ",")
            }
            list = list.option("capability", names(wanted.subtracting(own)))
                .option("drop-capability", names(own.subtracting(wanted)))
        }
        let refused = confinement.refusedCalls
        return list.option("system-call-filter", refused.isEmpty ? nil : "~\(refused.joined(separator: " "))")
            .option("no-new-privileges", confinement.gainsNothing ? "yes" : nil)
    }

    private static func value(of bind: Container.Bind, mapped: Bool) throws(RuntimeError) -> String {
        guard bind.source.hasPrefix("/"), bind.target.hasPrefix("/") else {
            throw RuntimeError(.invalid, "bind mount '\(bind.source)' at '\(bind.target)': both must be absolute paths")
        }
        let options = mapped && bind.mapsOwners ? ":idmap" : ""
        return "\(escaped(bind.source)):\(escaped(bind.target))\(options)"
    }

    /// A path in a value whose parts colons separate: a backslash escapes them.
    private static func escaped(_ path: String) -> String {
        path.map { $0 == ":" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
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
