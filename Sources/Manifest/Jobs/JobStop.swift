/// The key `stop` of a job.
public struct JobStop: Sendable, Equatable {
    /// Seconds from the signal to the kill.
    public var timeout: Int
    /// Like `SIGTERM`; nil for the image's.
    public var signal: String?
    /// Seconds.
    public var drain: Int

    static let schema = MappingSchema(
        "'stop'", title: "stop",
        [
            KeySchema(
                "drain", .text(.wait), default: "`2s`",
                "How long a replica that an update ends runs on after it has left the ports and names."),
            KeySchema(
                "signal", .text(.word(TaskSettings.signals)), default: "the image's",
                "What asks a command to end. A booted system is shut down."),
            KeySchema("timeout", .text(.duration), default: "`10s`", "How long it may take to end before it is killed."),
        ])

    init(_ mapping: CheckedMapping?) {
        timeout = mapping?.seconds("timeout") ?? 10
        signal = mapping?.text("signal")
        drain = mapping?.seconds("drain") ?? 2
    }
}
