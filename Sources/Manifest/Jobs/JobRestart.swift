import Spec

/// The key `restart` of a job.
public struct JobRestart: Sendable, Equatable {
    /// `never`, `on-failure` or `always`.
    public var mode = "always"
    /// The most restarts within `window`; nil for no limit.
    public var attempts: Int?
    /// Seconds, as all that follow.
    public var window: Int?
    public var delay: Int?
    public var longestDelay: Int?
    public var resetAfter: Int?

    static let schema = MappingSchema(
        "'restart'", title: "restart", shorthand: "mode",
        [
            KeySchema(
                "mode", .text(.word(["never", "on-failure", "always"])), required: true,
                "After which ends: none, those with an error, or all."),
            KeySchema(
                "attempts", .integer(1...1000), default: "no limit",
                "How often within `window`. After one more end the replica has failed, and another takes its place."),
            KeySchema("window", .text(.duration), default: "`10m`", "The time in which attempts are counted."),
            KeySchema(
                "delay", .text(.duration), default: "`1s`",
                "The wait before the first restart; each further one is twice as long."),
            KeySchema("longest_delay", .text(.duration), default: "`5m`", "The longest wait."),
            KeySchema(
                "reset_after", .text(.duration), default: "`10m`", "How long it must have run for the wait to be short again."),
        ])

    init(_ mapping: CheckedMapping?) {
        mode = mapping?.text("mode") ?? mode
        attempts = mapping?.number("attempts").map(Int.init)
        window = mapping?.seconds("window")
        delay = mapping?.seconds("delay")
        longestDelay = mapping?.seconds("longest_delay")
        resetAfter = mapping?.seconds("reset_after")
    }
}

extension CheckedMapping {
    /// A duration.
    func seconds(_ key: String) -> Int? { text(key).flatMap { TextForm.seconds($0) } }
}
