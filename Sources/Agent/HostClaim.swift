import AgentAPI
import Btrfs
import CLinux
import Glibc
import Layers
import Linux
import Networks

/// Something on a host that is one agent's alone: a pool, a bridge. A claim is held until this value goes, or the process ends in any way.
///
/// It is a locked file in a directory of all agents of the host, which tells who had it last, until the host's next start.
public struct HostClaim: ~Copyable, Sendable {
    private let file: OwnedFD

    /// The directory of the files, whichever directories the agents use.
    static let directory = "/run/dish-agents"

    /// - Throws: `AgentError` that names the agent which has the pool.
    public init(_ configuration: AgentConfiguration) throws {
        let pool = configuration.pool
        let directory = try OwnedFD.open(pool.path, O_RDONLY | O_DIRECTORY)
        var status = stat()
        let number = directory.number
        try retryingInterrupts("look at", pool.path) { fstat(number, &status) }
        // Pools may be directories of one file system, and paths lead to them by several mounts.
        let tree = try pool.filesystem().uuid
        try self.init("pool-\(tree)-\(status.st_dev)-\(status.st_ino)", configuration.stateDirectory) { other in
            let one = "cannot start: the pool '\(pool.path)' belongs to another agent of this host"
            let advice = "a pool has one agent: use that one (DISH_STATE_DIR, DISH_RUN_DIR), or give this one another pool"
            return "\(one), \(other); \(advice)"
        }
    }

    /// - Throws: `AgentError` that names the agent which has the bridge.
    public init(bridgeOf configuration: AgentConfiguration) throws {
        let bridge = configuration.network.bridge
        var status = stat()
        // Each network namespace has bridges of its own.
        try retryingInterrupts("look at", "/proc/self/ns/net") { stat("/proc/self/ns/net", &status) }
        try self.init("bridge-\(status.st_ino)-\(bridge)", configuration.stateDirectory) { other in
            "cannot start: the bridge '\(bridge)' belongs to another agent of this host, \(other); two agents need two bridges and two networks: dishd --bridge NAME --subnet 10.N.0.0/16"
        }
    }

    private init(_ name: String, _ state: String, refusal: (String) -> String) throws {
        try Files.makeDirectories(Self.directory, mode: 0o700)
        Self.sweep()
        let path = "\(Self.directory)/\(name)"
        let opened = try Self.open(path)
        let number = opened.number
        let isFree = try Self.lock(number, path)
        let before = (try? Files.readText(path))?.split(separator: "\n").map(String.init) ?? []
        let owner = before.count == 2 ? before[1] : nil
        let who = owner.map { "whose state directory is '\($0)'" } ?? "which has just been started"
        guard isFree else { throw AgentError(.conflict, refusal("process \(before.first ?? "unknown") with dishd, \(who)")) }
        if let owner, owner != state, Self.hasTasks(owner) {
            throw AgentError(.conflict, refusal("\(who), and whose tasks run on though it has ended"))
        }
        try retryingInterrupts("write", path) { ftruncate(number, 0) }
        try Files.write("\(getpid())\n\(state)\n".utf8, to: number, path)
        file = opened
    }

    private static func lock(_ number: CInt, _ path: String) throws(SystemError) -> Bool {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        let result = withUnsafeMutablePointer(to: &lock) { dish_fcntl(number, DISH_F_OFD_SETLK, Int(bitPattern: $0)) }
        if result == 0 { return true }
        let code = errno
        if code != EAGAIN, code != EACCES { throw SystemError("lock", path, code: code) }
        return false
    }

    /// Opens a claim's file, and takes it where nobody has it: never one that another agent has just swept away.
    private static func open(_ path: String) throws(SystemError) -> OwnedFD {
        while true {
            let file = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
            let number = file.number
            guard try lock(number, path) else { return file }
            var status = stat()
            try retryingInterrupts("look at", path) { fstat(number, &status) }
            if status.st_nlink > 0 { return file }
        }
    }

    /// Removes the files of agents that have ended, and left no task.
    private static func sweep() {
        for name in ((try? Files.list(directory)) ?? []).prefix(1000) {
            let path = "\(directory)/\(name)"
            guard let file = try? OwnedFD.open(path, O_RDWR), (try? lock(file.number, path)) == true else { continue }
            let owner = (try? Files.readText(path))?.split(separator: "\n").last.map(String.init)
            if owner.map(hasTasks) != true { unlink(path) }
        }
    }

    /// Tells whether a helper has a task of an agent.
    private static func hasTasks(_ state: String) -> Bool {
        let tasks = (try? Files.list("\(state)/tasks")) ?? []
        return tasks.contains { FileLock.isHeld("\(state)/tasks/\($0)/lock") }
    }
}
