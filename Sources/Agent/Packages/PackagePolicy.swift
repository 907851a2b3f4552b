public import Layers
public import Registry

/// How an agent keeps images present, and room for them (docs/packages.md).
public struct PackagePolicy: Sendable {
    /// What is collected, and when.
    public var collection = CollectionPlan.Rules()
    /// Of how many versions of a job before the last the layers stay, beside the one it would go back to.
    public var versions = 5
    /// How registries are reached.
    public var registry = RegistryOptions()
    /// How many images are fetched at a time.
    public var pulls = 2
    /// Milliseconds between two looks at how full the pool is.
    public var interval: Int64 = 15_000

    public init() {}

    /// Milliseconds from a failure to the next attempt, for the first, the second, … one.
    static func backoff(after attempts: Int) -> Int64 { min(300_000, 5000 << Int64(min(max(attempts, 1) - 1, 10))) }
}
