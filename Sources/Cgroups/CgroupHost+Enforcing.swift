import Linux

extension CgroupHost {
    /// A limit and why it can't be enforced here.
    public struct Unenforceable: Sendable, Equatable {
        /// The option that asks for it.
        public let option: String
        public let reason: String
    }

    /// Which of some limits this host can't enforce.
    ///
    /// - Parameter disks: those of the pool, which weights of I/O are about.
    public func unenforceable(_ limits: CgroupLimits, disks: [WholeDisk] = []) -> [Unenforceable] {
        var found: [Unenforceable] = []
        func check(_ isSet: Bool, _ option: String, _ controller: String) {
            guard isSet, !controllers.contains(controller) else { return }
            found.append(
                Unenforceable(
                    option: option,
                    reason: "\(option) needs the cgroup v2 controller '\(controller)', and on this host \(state(of: controller))")
            )
        }
        check(limits.cpu != .max, "--cpu", "cpu")
        check(limits.cpuWeight != nil, "--cpu-weight", "cpu")
        check(limits.cpuset != nil, "--cpuset", "cpuset")
        check(limits.memory != .max, "--memory", "memory")
        check(limits.memoryMin > 0, "--memory-min", "memory")
        check(limits.memoryLow > 0, "--memory-low", "memory")
        check(limits.memoryHigh != .max, "--memory-high", "memory")
        if let swap = limits.swap {
            check(true, "--memory-swap", "memory")
            if controllers.contains("memory"), swap != .value(0), !hasSwapAccounting {
                found.append(
                    .init(option: "--memory-swap", reason: "--memory-swap needs swap accounting, which this kernel has not"))
            }
        }
        check(limits.ioWeight != nil, "--io-weight", "io")
        if limits.ioWeight != nil, controllers.contains("io") {
            let costs = (try? Files.readTextIfPresent("\(unified ?? "")/io.cost.qos")) ?? ""
            if !disks.contains(where: { $0.hasWeights(costs: costs) }) {
                let names = disks.isEmpty ? "the pool" : disks.map(\.name).joined(separator: ", ")
                found.append(
                    .init(
                        option: "--io-weight",
                        reason:
                            "--io-weight needs the BFQ scheduler or the I/O cost model (io.cost.qos) on \(names), and neither is on"
                    ))
            }
        }
        for (option, limit) in [
            ("--io-read-bps", \CgroupLimits.IO.readBps), ("--io-write-bps", \.writeBps), ("--io-read-iops", \.readIops),
            ("--io-write-iops", \.writeIops),
        ] { check(limits.io.contains { $0[keyPath: limit] != .max }, option, "io") }
        check(limits.pids != .max, "--pids", "pids")
        check(limits.hugepages != .max, "--hugepages", "hugetlb")
        if limits.hugepages != .max, controllers.contains("hugetlb"), HugePages.current == nil {
            found.append(.init(option: "--hugepages", reason: "--hugepages: this kernel has no huge pages"))
        }
        return found
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
