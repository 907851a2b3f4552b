/// Quality of service of a task (docs/resources.md, "Classes").
public enum TaskClass: String, Sendable, Codable, CaseIterable {
    /// Its limits are reserved; a task that does not fit is refused.
    case guaranteed
    /// Its `memoryMin` and `memoryLow` are reserved; the rest is shared.
    case burstable
    /// Nothing is reserved; it is throttled first.
    case bestEffort = "best-effort"
}
