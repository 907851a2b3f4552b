import Spec

/// How an agent gives out what its host has (docs/resources.md, "Admission").
public struct ResourcePolicy: Sendable, Equatable {
    /// Thousandths of a CPU that are the system's; nil: a twentieth, at least a tenth of one.
    public var reserveCPU: UInt64?
    /// Bytes that are the system's; nil: a tenth, at least 256 MiB and at most 4 GiB.
    public var reserveMemory: UInt64?
    /// Limits of memory of burstable tasks may add up to so many times what there is for tasks.
    public var overcommit = 2.0

    public init() {}

    /// What of so many thousandths of a CPU is the system's.
    func systemCPU(of total: UInt64) -> UInt64 { min(reserveCPU ?? max(total / 20, 100), total) }

    /// What of so many bytes is the system's.
    func systemMemory(of total: UInt64) -> UInt64 {
        if let reserveMemory { return min(reserveMemory, total) }
        return min(max(min(total / 10, 4 << 30), 256 << 20), total / 2)
    }
}
