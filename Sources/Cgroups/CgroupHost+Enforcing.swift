import Linux
public import Spec

extension CgroupHost {
    /// The controller that keeps each limit; for those that control groups keep.
    private static let controllers = [
        "cpu": "cpu", "cpuWeight": "cpu", "cpuset": "cpuset", "memory": "memory", "memoryMin": "memory", "memoryLow": "memory",
        "memoryHigh": "memory", "memorySwap": "memory", "ioWeight": "io", "ioReadBps": "io", "ioWriteBps": "io",
        "ioReadIops": "io", "ioWriteIops": "io", "pids": "pids", "hugepages": "hugetlb",
    ]

    /// Which of some limits this host can't enforce, and why.
    ///
    /// - Parameter disks: those of the pool, which weights of I/O are about.
    public func unenforceable(_ limits: Limits, disks: [WholeDisk] = []) -> [FieldFault] {
        limits.values.compactMap { name, value in
            // Nothing is asked for.
            if value == .integer(0), name.json == "memoryMin" || name.json == "memoryLow" { return nil }
            guard let controller = Self.controllers[name.json] else { return nil }
            guard controllers.contains(controller) else {
                return FieldFault(
                    name.json, "needs the cgroup v2 controller '\(controller)', and on this host \(state(of: controller))")
            }
            return missing(name.json, value, disks).map { FieldFault(name.json, $0) }
        }
    }

    /// The requirement of a limit beside its controller that this host lacks; nil for none.
    private func missing(_ name: String, _ value: JSONValue, _ disks: [WholeDisk]) -> String? {
        switch name {
        case "memorySwap" where value != .integer(0) && !hasSwapAccounting:
            return "needs swap accounting, which this kernel has not"
        case "ioWeight":
            let costs = (try? Files.readTextIfPresent("\(unified ?? "")/io.cost.qos")) ?? ""
            if disks.contains(where: { $0.hasWeights(costs: costs) }) { return nil }
            let names = disks.isEmpty ? "the pool" : disks.map(\.name).joined(separator: ", ")
            return "needs the BFQ scheduler or the I/O cost model (io.cost.qos) on \(names), and neither is on"
        case "hugepages" where HugePages.current == nil: return "needs huge pages, which this kernel has not"
        default: return nil
        }
    }

    private func state(of controller: String) -> String {
        // In v1 it has another name.
        let old = controller == "io" ? "blkio" : controller
        if let path = legacy[old] { return "'\(old)' is mounted as cgroup v1 at \(path)" }
        return unified == nil ? "cgroup v2 is not mounted" : "the kernel offers no '\(controller)' there"
    }

    private var hasSwapAccounting: Bool {
        // The root has no such file; systemd's own group is always there, else one may not be.
        guard let unified, let group = try? Files.list(unified).first(where: { Files.exists("\(unified)/\($0)/memory.max") })
        else {
            return true
        }
        return Files.exists("\(unified)/\(group)/memory.swap.max")
    }
}
