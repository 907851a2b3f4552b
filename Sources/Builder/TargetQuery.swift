public import Manifest

/// Questions about how targets need each other.
public struct TargetQuery: Sendable {
    public struct Node: Sendable, Codable, Equatable {
        public let label: String
        /// The labels it needs itself.
        public let needs: [String]
    }

    private let targets: [ImageTarget]

    /// - Parameter targets: as `Workspace.targets` gives them: each after what it needs.
    public init(_ targets: [ImageTarget]) {
        self.targets = targets
    }

    /// A target and all that it needs, itself last.
    public func dependencies(of label: Label) -> [Node] {
        var wanted: Set<Label> = [label]
        for target in targets.reversed() where wanted.contains(target.label) { wanted.formUnion(target.needs) }
        return nodes(wanted)
    }

    /// A target and all that need it, itself first.
    public func dependents(of label: Label) -> [Node] {
        var wanted: Set<Label> = [label]
        for target in targets where !wanted.isDisjoint(with: target.needs) { wanted.insert(target.label) }
        return nodes(wanted)
    }

    private func nodes(_ wanted: Set<Label>) -> [Node] {
        targets.filter { wanted.contains($0.label) }.map { target in
            Node(label: target.label.description, needs: target.needs.filter(wanted.contains).map(\.description))
        }
    }
}
