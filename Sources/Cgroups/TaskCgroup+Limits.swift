import Glibc
import Linux
import Spec

/// Why a limit of memory can't be lowered: the kernel would have to kill.
public struct MemoryInUse: Error, Equatable, CustomStringConvertible {
    public let limit: UInt64
    public let current: UInt64
    public let anonymous: UInt64

    public var description: String {
        "it uses \(current) bytes of memory, \(anonymous) of them its programs' own, and not enough of it could be reclaimed to get below \(limit); choose more than that, or end something in it first"
    }
}

extension TaskCgroup {
    /// Sets the limits. What the host can't enforce was refused before, or is left out on request.
    ///
    /// - Parameter everything: whether what has its default is written too: a group that had other limits.
    /// - Throws: `MemoryInUse` when the group uses more memory than it may have from now on; nothing has changed then.
    public func apply(_ limits: CgroupLimits, everything: Bool = false) throws {
        guard hasLimits, let directory = directories.first else { return }
        let files = GroupFiles(directory: directory, everything: everything)
        let wanted = limits.limits
        if everything, let bytes = wanted.memory { try makeRoom(bytes, in: directory) }
        try files.set("cpu.max", limits.cpuMicroseconds.map { "\($0) 100000" }, otherwise: "max 100000")
        try files.set("cpuset.cpus", wanted.cpuset, otherwise: "\n")
        try files.set("memory.min", amount: wanted.memoryMin, otherwise: "0")
        try files.set("memory.low", amount: wanted.memoryLow, otherwise: "0")
        try files.set("memory.high", amount: wanted.memoryHigh)
        try files.set("memory.max", amount: wanted.memory)
        try files.set("memory.swap.max", amount: limits.swap.flatMap { $0 < Limits.most ? $0 : nil })
        // Also for want of the host's memory a task dies whole.
        try files.set("memory.oom.group", "1", otherwise: "1")
        try files.set("pids.max", amount: wanted.pids)
        try setIO(limits, files)
        try setHugePages(wanted.hugepages, files)
        guard let outer else { return }
        let shares = GroupFiles(directory: outer, everything: everything)
        try shares.set("cpu.weight", amount: wanted.cpuWeight, otherwise: "100")
        try shares.set("memory.min", amount: wanted.memoryMin, otherwise: "0")
        try shares.set("memory.low", amount: wanted.memoryLow, otherwise: "0")
        for file in ["io.weight", "io.bfq.weight"] {
            // BFQ's go to 1000.
            let most: UInt64 = file == "io.weight" ? 10_000 : 1000
            try shares.set(file, wanted.ioWeight.map { "default \(min($0, most))" }, otherwise: "default 100")
        }
    }

    private func setIO(_ limits: CgroupLimits, _ files: GroupFiles) throws {
        guard files.has("io.max") else { return }
        let limited = limits.limitsIO ? limits.disks : []
        for disk in limited { try files.set("io.max", limits.io(of: disk), otherwise: "") }
        guard files.everything else { return }
        for line in try Files.readText("\(files.directory)/io.max").split(separator: "\n") {
            guard let disk = line.split(separator: " ").first.map(String.init), !limited.contains(disk) else { continue }
            try files.set("io.max", CgroupLimits().io(of: disk), otherwise: "")
        }
    }

    private func setHugePages(_ limit: UInt64?, _ files: GroupFiles) throws {
        guard files.everything || limit != nil, let own = HugePages.current?.name else { return }
        for name in HugePages.names {
            try files.set("hugetlb.\(name).max", amount: name == own ? limit : limit == nil ? nil : 0)
        }
    }

    /// Has the kernel reclaim until a limit can be set without killing anything.
    private func makeRoom(_ bytes: UInt64, in directory: String) throws {
        func current() throws -> UInt64 {
            UInt64(try Files.readText("\(directory)/memory.current").prefix { $0 != "\n" }) ?? 0
        }
        guard Files.exists("\(directory)/memory.high"), try current() > bytes else { return }
        let high = try Files.readText("\(directory)/memory.high")
        // The kernel reclaims before this returns, and slows the task down while it is above.
        try Files.set("\(directory)/memory.high", "\(bytes)")
        for _ in 0..<10 where try current() > bytes {
            usleep(100_000)
            try Files.set("\(directory)/memory.high", "\(bytes)")
        }
        let left = try current()
        if left <= bytes { return }
        let statistics = (try? Files.readText("\(directory)/memory.stat")) ?? ""
        try Files.set("\(directory)/memory.high", String(high.prefix { $0 != "\n" }))
        throw MemoryInUse(limit: bytes, current: left, anonymous: KeyedNumbers(statistics)["anon"] ?? 0)
    }
}

/// The files of a group, those of controllers that the host hasn't got left out.
private struct GroupFiles {
    let directory: String
    let everything: Bool

    func has(_ file: String) -> Bool { Files.exists("\(directory)/\(file)") }

    func set(_ file: String, amount: UInt64?, otherwise: String = "max") throws {
        try set(file, amount.map { "\($0)" }, otherwise: otherwise)
    }

    /// - Parameter value: nil for the default, which a new group has.
    func set(_ file: String, _ value: String?, otherwise: String) throws {
        guard let value = value ?? (everything ? otherwise : nil), has(file) else { return }
        try Files.set("\(directory)/\(file)", value)
    }
}
