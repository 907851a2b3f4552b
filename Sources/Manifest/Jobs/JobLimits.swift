/// The key `limits` of a job.
public struct JobLimits: Sendable, Equatable {
    /// Thousandths of a CPU.
    public var cpu: UInt64?
    /// Bytes.
    public var memory: UInt64?
    /// Bytes.
    public var disk: UInt64?
    public var pids: UInt64?

    static let schema = MappingSchema(
        "'limits'", title: "limits",
        [
            KeySchema("cpu", .text(.cpus), default: "none", "CPUs it may use at most, like `0.5`."),
            KeySchema("memory", .text(.size), default: "none", "Memory it may use at most; reaching it ends the task."),
            KeySchema("disk", .text(.size), default: "none", "What it may write to its root file system and logs."),
            KeySchema("pids", .integer(1...4_194_304), default: "none", "Processes and threads it may have."),
        ])

    init(_ mapping: CheckedMapping?) {
        cpu = mapping?.text("cpu").flatMap { TextForm.thousandths($0) }
        memory = mapping?.text("memory").flatMap { ByteCount($0)?.bytes }
        disk = mapping?.text("disk").flatMap { ByteCount($0)?.bytes }
        pids = mapping?.number("pids").map(UInt64.init)
    }
}
