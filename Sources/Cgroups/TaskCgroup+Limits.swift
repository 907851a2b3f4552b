import Glibc
import Linux

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
        if everything, case .value(let bytes) = limits.memory { try makeRoom(bytes, in: directory) }
        try files.set("cpu.max", limits.cpuMicroseconds.map { "\($0) 100000" }, otherwise: "max 100000")
        try files.set("cpuset.cpus", limits.cpuset, otherwise: "\n")
        // A protection above the limit is one of the limit.
        try files.set("memory.min", limits.memoryMin == 0 ? nil : "\(limits.memoryMin)", otherwise: "0")
        try files.set("memory.low", limits.memoryLow == 0 ? nil : "\(limits.memoryLow)", otherwise: "0")
        try files.set("memory.high", limits.memoryHigh == .max ? nil : limits.memoryHigh.text, otherwise: "max")
        try files.set("memory.max", limits.memory == .max ? nil : limits.memory.text, otherwise: "max")
        try files.set(
            "memory.swap.max", limits.effectiveSwap == .max ? nil : limits.effectiveSwap.text, otherwise: "max")
        // Also for want of the host's memory a task dies whole.
        try files.set("memory.oom.group", "1", otherwise: "1")
        try files.set("pids.max", limits.pids == .max ? nil : limits.pids.text, otherwise: "max")
        try setIO(limits.io, files)
        try setHugePages(limits.hugepages, files)
        guard let outer else { return }
        let shares = GroupFiles(directory: outer, everything: everything)
        try shares.set("cpu.weight", limits.cpuWeight.map { "\($0)" }, otherwise: "100")
        try shares.set("memory.min", limits.memoryMin == 0 ? nil : "\(limits.memoryMin)", otherwise: "0")
        try shares.set("memory.low", limits.memoryLow == 0 ? nil : "\(limits.memoryLow)", otherwise: "0")
        for file in ["io.weight", "io.bfq.weight"] {
            // BFQ's go to 1000.
            let most: UInt64 = file == "io.weight" ? 10_000 : 1000
            try shares.set(file, limits.ioWeight.map { "default \(min($0, most))" }, otherwise: "default 100")
        }
    }

    private func setIO(_ devices: [CgroupLimits.IO], _ files: GroupFiles) throws {
        guard files.has("io.max") else { return }
        for device in devices { try files.set("io.max", device.text, otherwise: "") }
        guard files.everything else { return }
        for line in try Files.readText("\(files.directory)/io.max").split(separator: "\n") {
            guard let device = line.split(separator: " ").first, !devices.contains(where: { $0.device == device }) else {
                continue
            }
            try files.set("io.max", CgroupLimits.IO(device: String(device)).text, otherwise: "")
        }
    }

    private func setHugePages(_ limit: CgroupLimits.Limit, _ files: GroupFiles) throws {
        guard files.everything || limit != .max, let own = HugePages.current?.name else { return }
        for name in HugePages.names {
            let other = limit == .max ? "max" : "0"
            try files.set("hugetlb.\(name).max", name == own ? limit.text : other, otherwise: "max")
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

    /// - Parameter value: nil for the default, which a new group has.
    func set(_ file: String, _ value: String?, otherwise: String) throws {
        guard let value = value ?? (everything ? otherwise : nil), has(file) else { return }
        try Files.set("\(directory)/\(file)", value)
    }
}
