public import Spec

/// What `PATCH /v1/tasks/NAME/limits` takes: a change of a task that runs.
public struct LimitsChange: Sendable, Codable, Equatable {
    /// The new values; nil leaves one as it is.
    public var limits: Limits
    /// Names of limits to be lifted: `memory`, `cpuWeight`, …
    public var lift: [String]
    /// Whether what the host can't enforce is left out instead of refused.
    public var bestEffort: Bool

    public init(limits: Limits, lift: [String] = [], bestEffort: Bool = false) {
        self.limits = limits
        self.lift = lift
        self.bestEffort = bestEffort
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        limits = try values.decodeIfPresent(Limits.self, forKey: .limits) ?? Limits()
        lift = try values.decodeIfPresent([String].self, forKey: .lift) ?? []
        bestEffort = try values.decodeIfPresent(Bool.self, forKey: .bestEffort) ?? false
    }
}

extension LimitsChange {
    /// The change for people: `memory 1G, cpu lifted`.
    public var summary: String {
        ((limits.isEmpty ? [] : [limits.summary]) + lift.map { "\($0) lifted" }).joined(separator: ", ")
    }
}
