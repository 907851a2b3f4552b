/// Whether a task that ended by itself is started again, and how patiently.
public struct RestartPolicy: Sendable, Codable, Equatable {
    public enum Mode: String, Sendable, Codable, CaseIterable {
        case no
        /// After an exit code that isn't 0, a signal, the loss of its helper, or a failed health check.
        case onFailure = "on-failure"
        case always
    }

    public var mode: Mode
    /// The most restarts within `window`; one more, and the task has failed. Nil for no limit.
    public var attempts: Int?
    /// Seconds.
    public var window: Double = 600
    /// Seconds before the first restart; each that follows a short run waits twice as long as the one before.
    public var backoff: Double = 1
    /// The most seconds to wait.
    public var longestBackoff: Double = 300
    /// Seconds a task must have run for the next restart to be a first one again.
    public var resetAfter: Double = 600

    public init(_ mode: Mode = .no, attempts: Int? = nil) {
        self.mode = mode
        self.attempts = attempts
    }
}

extension RestartPolicy {
    /// What is left out has its default.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func seconds(_ key: CodingKeys, _ otherwise: Double) throws -> Double {
            try values.decodeIfPresent(Double.self, forKey: key) ?? otherwise
        }
        self.init(
            try values.decodeIfPresent(Mode.self, forKey: .mode) ?? .no,
            attempts: try values.decodeIfPresent(Int.self, forKey: .attempts))
        window = try seconds(.window, window)
        backoff = try seconds(.backoff, backoff)
        longestBackoff = try seconds(.longestBackoff, longestBackoff)
        resetAfter = try seconds(.resetAfter, resetAfter)
    }

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
