import CLinux
import Glibc
import Linux

/// The control group of one task.
///
/// With cgroup v2 controllers, the limits are on `task`, below which the runtime makes groups of its own and
/// `exec` takes the processes that join later (v2 allows none in an inner node). On a hybrid host there is one group in
/// the empty v2 hierarchy and one in systemd's named v1 hierarchy, both without limits: systemd-nspawn
/// needs its launcher to be in a group of its own in both to boot in a user namespace.
public struct TaskCgroup: Sendable, Equatable {
    /// The directories, one in each hierarchy.
    public let directories: [String]
    /// What lies above them and goes with them, innermost first.
    let parents: [String]
    let hasLimits: Bool
    /// What the runtime makes beside them: in each hierarchy systemd-nspawn makes the groups that it has in one.
    var companions: [String] = []
    /// The group that stands beside those of other tasks, where weights and protection count; nil where systemd has it, or
    /// where there is none.
    var outer: String?

    /// Makes the group of a task. The calling process belongs to the task's helper.
    ///
    /// - Parameters:
    ///   - id: the task's id, which names the group where systemd doesn't.
    ///   - boots: whether an init runs in it, which on hybrid hosts wants a group in the named hierarchy too.
    public static func create(id: String, boots: Bool, on host: CgroupHost) throws -> TaskCgroup {
        let group = try made(id: id, boots: boots, on: host)
        // The kernel has 65,535 groups with memory for the whole host, and what is inside may make some below its own.
        if host.unified != nil, let directory = group.directories.first {
            try Files.set("\(directory)/cgroup.max.descendants", "\(descendantLimit)")
            try Files.set("\(directory)/cgroup.max.depth", "64")
        }
        return group
    }

    /// Enough for a systemd with hundreds of units and containers inside.
    private static let descendantLimit = 2048

    private static func made(id: String, boots: Bool, on host: CgroupHost) throws -> TaskCgroup {
        guard let unified = host.unified else { return TaskCgroup(directories: [], parents: [], hasLimits: false) }
        guard host.controllers.contains(where: { Self.controllers.contains($0) }) else {
            // Entering the named one takes some 15 ms.
            let roots = [unified, boots ? host.named : nil].compactMap { $0 }
            for root in roots { try Files.makeDirectories("\(root)/dish/\(id)") }
            var group = TaskCgroup(
                directories: roots.map { "\($0)/dish/\(id)" }, parents: roots.map { "\($0)/dish" }, hasLimits: false)
            if !boots, let named = host.named { group.companions = ["\(named)/dish/\(id)"] }
            return group
        }
        if host.hasSystemd {
            // The helper's unit is delegated to it: it moves into a leaf and shares the rest out.
            let own = unified + (try ownPath())
            try Files.makeDirectories("\(own)/helper")
            try Files.set("\(own)/helper/cgroup.procs", "0")
            return try make("\(own)/task", below: [own], parents: ["\(own)/helper"])
        }
        try Files.makeDirectories("\(unified)/dish/\(id)")
        let outer = "\(unified)/dish/\(id)"
        var group = try make(
            "\(outer)/task", below: [unified, "\(unified)/dish", outer], parents: [outer, "\(unified)/dish"])
        group.outer = outer
        return group
    }

    /// The group of a task whose helper is gone, to be removed; it need not exist.
    public static func existing(id: String, on host: CgroupHost) -> TaskCgroup {
        let roots = [host.unified, host.named].compactMap { $0 }
        guard host.hasSystemd else {
            return TaskCgroup(
                directories: roots.map { "\($0)/dish/\(id)" }, parents: roots.map { "\($0)/dish" }, hasLimits: false)
        }
        return TaskCgroup(
            directories: roots.map { "\($0)/dish.slice/dish-\(id).service/task" }, parents: [], hasLimits: false)
    }

    /// What a task's group shares out to the groups inside.
    static let controllers = ["cpu", "memory", "pids", "io", "cpuset", "hugetlb"]

    private static func make(_ path: String, below: [String], parents: [String]) throws -> TaskCgroup {
        for directory in below {
            let available = try Files.readText("\(directory)/cgroup.controllers").split(whereSeparator: \.isWhitespace)
            for controller in available where controllers.contains(String(controller)) {
                try Files.set("\(directory)/cgroup.subtree_control", "+\(controller)")
            }
        }
        try Files.makeDirectories(path)
        return TaskCgroup(directories: [path], parents: parents, hasLimits: true)
    }

    /// The files a process writes itself into to start in this group.
    public var procs: [String] { directories.map { "\($0)/cgroup.procs" } }

    /// The files for processes that join a running task: a leaf beside the runtime's own groups.
    public func execProcs() throws -> [String] {
        guard hasLimits, let directory = directories.first else { return procs }
        try Files.makeDirectories("\(directory)/exec")
        return ["\(directory)/exec/cgroup.procs"]
    }

    /// Refuses its processes all devices but those of a container (docs/security.md, "Devices"): by BPF, which works in a v2
    /// hierarchy without controllers too.
    ///
    /// - Returns: false where the kernel can't, or has no v2 hierarchy.
    public func limitDevices() -> Bool {
        guard let path = directories.first, let directory = try? OwnedFD.open(path, O_RDONLY | O_DIRECTORY) else { return false }
        return dish_limit_devices(directory.number) == 0
    }

    /// How often the kernel killed something in it because it had reached its memory limit.
    public func outOfMemoryKills() -> UInt64 {
        guard hasLimits, let directory = directories.first else { return 0 }
        return Self.outOfMemoryKills(in: directory)
    }

    /// The same of any group's directory in the v2 hierarchy.
    public static func outOfMemoryKills(in directory: String) -> UInt64 {
        guard let events = try? Files.readText("\(directory)/memory.events") else { return 0 }
        let line = events.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
        return line.flatMap { UInt64($0.dropFirst("oom_kill ".count)) } ?? 0
    }

    /// Kills every process in it and below.
    public func kill() {
        for directory in directories { CgroupTree.kill(directory) }
    }

    /// Kills what is in it and removes it; waits up to five seconds for the processes to be gone.
    public func remove() {
        // The last process is gone a moment after its end was told, hardly ever later.
        var (waited, pause): (UInt32, UInt32) = (0, 250)
        while waited < 5_000_000 {
            let left = (directories + companions).filter { !CgroupTree.remove($0) }
            if left.isEmpty { break }
            if waited % 500_000 < pause { kill() }
            usleep(pause)
            waited += pause
            pause = min(pause * 2, 10_000)
        }
        // The others' groups may be in them still; then they stay.
        for parent in parents { rmdir(parent) }
    }

    /// This process's group in the v2 hierarchy: the line `0::/path`.
    private static func ownPath() throws -> String {
        let line = try Files.readText("/proc/self/cgroup").split(separator: "\n").first { $0.hasPrefix("0::") }
        return line.map { String($0.dropFirst(3)) } ?? "/"
    }
}
