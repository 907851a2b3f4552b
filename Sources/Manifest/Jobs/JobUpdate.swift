/// The key `update` of a job.
public struct JobUpdate: Sendable, Equatable {
    public var batch: Int
    /// `start-first` or `stop-first`.
    public var order: String
    /// Seconds.
    public var deadline: Int
    public var rollback: Bool
    /// Seconds.
    public var pause: Int
    /// Seconds; nil: as the agent is told.
    public var minReady: Int?

    static let schema = MappingSchema(
        "'update'", title: "update",
        [
            KeySchema("batch", .integer(1...1000), default: "`1`", "How many replicas are replaced at a time."),
            KeySchema(
                "order", .text(.word(["start-first", "stop-first"])), default: "`start-first`",
                "Whether the new replicas of a batch are ready before old ones go, or old ones go first."),
            KeySchema("deadline", .text(.duration), default: "`2m`", "How long the replicas of a batch may take to be ready."),
            KeySchema(
                "rollback", .boolean, default: "`true`",
                "Whether the job goes back to the last healthy version when they take longer."),
            KeySchema("pause", .text(.wait), default: "none", "The wait between two batches."),
            KeySchema(
                "min_ready", .text(.wait), default: "`5s`, or as the agent is told",
                "How long a new replica must have been ready, without a restart, before it counts. It comes on top of the deadline."
            ),
        ])

    init(_ mapping: CheckedMapping?) {
        batch = mapping?.number("batch").map(Int.init) ?? 1
        order = mapping?.text("order") ?? "start-first"
        deadline = mapping?.seconds("deadline") ?? 120
        rollback = mapping?.isTrue("rollback") ?? true
        pause = mapping?.seconds("pause") ?? 0
        minReady = mapping?.seconds("min_ready")
    }
}
