public import Layers
public import Manifest

/// What a build made.
public struct BuildResult: Sendable {
    public struct Target: Sendable {
        public let label: Label
        public let layer: Layer
        /// Whether nothing had to be done.
        public let isCached: Bool
        public let seconds: Double
        /// What had to be there first.
        let needs: [Label]
    }

    /// In the order they were asked for, each after what it needs.
    public let targets: [Target]

    /// The targets that decided how long the build took: each needed the one before it. Empty when nothing
    /// was built.
    public var longestChain: [Target] {
        var longest: [Label: (seconds: Double, chain: [Target])] = [:]
        for target in targets {
            let below = target.needs.compactMap { longest[$0] }.max { $0.seconds < $1.seconds }
            longest[target.label] = ((below?.seconds ?? 0) + target.seconds, (below?.chain ?? []) + [target])
        }
        return (longest.values.max { $0.seconds < $1.seconds }?.chain ?? []).filter { !$0.isCached }
    }
}
