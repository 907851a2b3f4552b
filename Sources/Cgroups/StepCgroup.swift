import Glibc
import Linux
import Spec

/// The control group of a build's steps, which limits the memory of all their processes together. It goes, with
/// whatever still runs in it, when this value goes.
///
/// It lies in `dish-build`: at the root of the v2 hierarchy, or on hybrid and v1 hosts below the caller's own group of
/// the v1 controller `memory`.
public final class StepCgroup: Sendable {
    private let group: TaskCgroup
    /// Holds a flock(2) on the group's directory, which tells it from those that killed builds left.
    private let lock: OwnedFD

    /// - Parameter memory: bytes.
    /// - Returns: nil on hosts where no controller `memory` can be used, or not by the caller.
    public init?(memory: UInt64, on host: CgroupHost) {
        guard let parent = try? Self.parent(on: host) else { return nil }
        for name in (try? Files.list(parent)) ?? [] { Self.removeAbandoned("\(parent)/\(name)") }
        let path = "\(parent)/\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        guard let made = try? Self.make(path) else { return nil }
        group = TaskCgroup(directories: [path], parents: [parent], hasLimits: true)
        lock = made
        do {
            if host.controllers.contains("memory") {
                try group.apply(CgroupLimits(Limits(memory: memory)))
            } else {
                try Files.set("\(path)/memory.limit_in_bytes", "\(memory)")
            }
        } catch {
            group.remove()
            return nil
        }
    }

    deinit {
        group.remove()
    }

    /// The files a process writes itself into to start in this group.
    public var procs: [String] { group.procs }

    /// How often the kernel killed a process in it because it had reached its limit.
    public var outOfMemoryKills: UInt64 {
        let files = ["memory.events", "memory.oom_control"].map { "\(group.directories[0])/\($0)" }
        let text = files.lazy.compactMap { try? Files.readText($0) }.first ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
        return line.flatMap { UInt64($0.dropFirst("oom_kill ".count)) } ?? 0
    }

    /// The directory that the groups of steps are in; made where needed, with the controller at hand for them.
    private static func parent(on host: CgroupHost) throws -> String? {
        if let unified = host.unified, host.controllers.contains("memory") {
            let parent = "\(unified)/dish-build"
            try Files.makeDirectories(parent)
            for directory in [unified, parent] { try Files.set("\(directory)/cgroup.subtree_control", "+memory") }
            return parent
        }
        guard let root = host.legacy["memory"] else { return nil }
        // A line is `4:memory:/path`.
        let fields = try Files.readText("/proc/self/cgroup").split(separator: "\n").map {
            $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        }
        let own = fields.first { $0.count == 3 && $0[1].split(separator: ",").contains("memory") }
        // In a container the path may be one of the host.
        let below = own.map { "\(root)\($0[2] == "/" ? "" : $0[2])" } ?? root
        let parent = "\(Files.isDirectory(below) ? below : root)/dish-build"
        try Files.makeDirectories(parent)
        return parent
    }

    private static func make(_ path: String) throws -> OwnedFD {
        for _ in 0..<100 {
            try Files.makeDirectories(path)
            // Another build may take it for abandoned in this moment.
            if let lock = takeLock(path), Files.isDirectory(path) { return lock }
        }
        throw SystemError("lock cgroup", path, code: EBUSY)
    }

    private static func takeLock(_ path: String) -> OwnedFD? {
        guard let directory = try? OwnedFD.open(path, O_RDONLY | O_DIRECTORY) else { return nil }
        guard flock(directory.number, LOCK_EX | LOCK_NB) == 0 else { return nil }
        return directory
    }

    private static func removeAbandoned(_ path: String) {
        guard Files.isDirectory(path), let lock = takeLock(path) else { return }
        TaskCgroup(directories: [path], parents: [], hasLimits: false).remove()
        _ = consume lock
    }
}
