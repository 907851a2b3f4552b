/// How a task stands to others when something runs short (docs/resources.md, "Classes").
public enum TaskClass: String, Sendable, Codable, CaseIterable {
    /// What it may use is set aside for it; one that doesn't fit is refused.
    case guaranteed
    /// Its `memoryMin` and `memoryLow` are set aside; beyond that it shares what is left.
    case burstable
    /// Nothing is set aside; it gives way first.
    case bestEffort = "best-effort"
}
