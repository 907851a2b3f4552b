/// Everything a runtime must know to launch a root file system.
public struct Container: Sendable {
    /// What runs inside.
    public enum Program: Sendable, Equatable {
        /// The image's own init (systemd), as PID 1.
        case boot
        /// A command and its arguments, under a minimal init that reaps processes and passes signals on.
        case command([String])
    }

    /// Which network it sees.
    public enum Network: Sendable, Equatable {
        /// A loopback interface and nothing else.
        case none
        /// The host's own.
        case host
        /// An existing network namespace, by its path.
        case namespace(String)
    }

    /// What may be asked of the kernel inside.
    public struct Confinement: Sendable, Equatable {
        /// Capabilities inside, without `CAP_`; nil for those of the runtime.
        public var capabilities: Set<String>?
        /// System calls that are refused beside those that the runtime refuses.
        public var refusedCalls: [String] = []
        /// Whether no program inside gains anything by being executed (`PR_SET_NO_NEW_PRIVS`).
        public var gainsNothing = false

        public init() {}
    }

    /// What its standard input and output are.
    public enum Console: Sendable, Equatable {
        /// The descriptors given to the runtime, as they are.
        case pipe
        /// A terminal inside, copied to and from the terminal given to the runtime.
        case terminal
        /// A terminal inside whose output is copied to the descriptors; no input.
        case output
    }

    /// A host path that appears inside.
    public struct Bind: Sendable, Equatable {
        /// Absolute path on the host.
        public var source: String
        /// Absolute path inside.
        public var target: String
        public var readOnly: Bool
        /// Whether the host's user 0 is user 0 inside: for trees owned by root on the host.
        public var mapsOwners: Bool

        public init(_ source: String, at target: String, readOnly: Bool = true, mapsOwners: Bool = true) {
            self.source = source
            self.target = target
            self.readOnly = readOnly
            self.mapsOwners = mapsOwners
        }
    }

    /// A file system in memory that appears inside, empty.
    public struct MemoryFilesystem: Sendable, Equatable {
        /// Absolute path inside.
        public var target: String
        /// Bytes at most.
        public var size: UInt64
        public var readOnly: Bool

        public init(at target: String, size: UInt64, readOnly: Bool = false) {
            self.target = target
            self.size = size
            self.readOnly = readOnly
        }
    }

    /// Something secret that its systemd hands to units, and a command finds in `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
    public struct Credential: Sendable, Equatable {
        /// A file's name.
        public var name: String
        /// The file of the host that has its content when the container starts.
        public var path: String

        public init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }

    /// Absolute path of the root directory.
    public var root: String
    /// Host name inside, and the machine's name to systemd: letters, digits, dashes.
    public var name: String
    public var program: Program
    public var network: Network = .none
    public var confinement = Confinement()
    public var console: Console = .pipe
    /// First host user id of the container's 65,536; nil for no user namespace. The files on disk
    /// keep the ids they have inside: the root is mounted with its ids mapped.
    public var userBase: UInt32?
    /// 32 hexadecimal digits; each task has its own, so that its journal is its own.
    public var machineID: String?
    /// Variables of the program inside.
    public var environment: [String: String] = [:]
    /// Whether whoever starts the runtime puts its `privateFiles` in place: then no variable is on the command line, which every user
    /// of the host can read.
    public var hasPrivateFiles = false
    /// True if a command is the first process itself, and does what a minimal init would.
    public var isFirstProcess = false
    /// The user inside that a command runs as.
    public var user: String?
    /// Working directory inside, for a command.
    public var directory: String?
    public var binds: [Bind] = []
    public var credentials: [Credential] = []
    /// File systems in memory.
    public var memory: [MemoryFilesystem] = []
    /// True if a command sees the root's own `/tmp` and `/run` instead of empty ones in memory. Whoever starts the runtime mounts the
    /// root's `/run` (`binds`), and the credentials in `/run/host/credentials`; the runtime keeps `/run/host` for itself, which must be
    /// a directory of the root.
    public var keepsRuntimeDirectories = false
    /// Whether the root can't be written to.
    public var readOnly = false
    /// True if fsync and its kin return at once: for work that is thrown away unless it ends well. Whoever starts the runtime installs
    /// the filter for it.
    public var ignoresSync = false
    /// The most processes and threads inside (`RLIMIT_NPROC` of the user namespace); nil for the host's default.
    public var processLimit: UInt64?
    /// The most bytes of private memory each process may have (`RLIMIT_DATA`); nil for the host's default.
    public var dataLimit: UInt64?
    /// Whether name resolution inside is set up from the host's.
    public var resolvesNames = false

    public init(root: String, name: String, program: Program) {
        self.root = root
        self.name = name
        self.program = program
    }
}
