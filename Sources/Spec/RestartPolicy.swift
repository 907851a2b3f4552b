/// The restarts of a task that ended by itself.
public struct RestartPolicy: Settings {
    public enum Mode: String, Sendable, Codable, CaseIterable {
        case no
        /// After an exit code that isn't 0, a signal, the loss of its helper, or a failed health check.
        case onFailure = "on-failure"
        case always
    }

    public var mode = Mode.no
    /// Nil for no limit.
    public var attempts: Int?
    /// Seconds, as all that follow.
    public var window: Double = 600
    public var backoff: Double = 1
    public var longestBackoff: Double = 300
    public var resetAfter: Double = 600

    public init() {}

    public init(_ mode: Mode = .no, attempts: Int? = nil) { (self.mode, self.attempts) = (mode, attempts) }

    public static let name = "RestartPolicy"
    public static let about = "Restarts of a task that ended by itself."
    public static let shorthand: String? = "mode"
    public static let fields: [Field<RestartPolicy>] = [
        .word(
            "mode", \.mode, older: ["never": "no"], default: "`no`, for a job `always`",
            "Exits that cause a restart: none, failures, or all."),
        .count(
            "attempts", \.attempts, 1...1_000_000, default: "no limit",
            "Most restarts within `window`. One more exit and the task has failed; a job replaces it."),
        .seconds("window", \.window, 0...31_536_000, default: "`10m`", "Time in which attempts are counted."),
        .seconds(
            "backoff", \.backoff, 0...31_536_000, default: "`1s`",
            "Delay before the first restart. It doubles after each short run."
        ).older("delay"),
        .seconds("longestBackoff", \.longestBackoff, 0...31_536_000, default: "`5m`", "Longest delay.").older("longest_delay"),
        .seconds(
            "resetAfter", \.resetAfter, 0...31_536_000, default: "`10m`",
            "Running time after which the delay starts anew."),
    ]
}

extension RestartPolicy {
    /// From `no`, `always`, `on-failure` or `on-failure:5`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let mode = parts.first.flatMap({ Mode(rawValue: String($0)) }) else { return nil }
        self.init(mode)
        guard parts.count == 2 else { return }
        guard mode != .no, let attempts = Int(parts[1]), attempts > 0 else { return nil }
        self.attempts = attempts
    }
}
