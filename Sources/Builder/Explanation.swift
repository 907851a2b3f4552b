public import Layers

/// Why a target was built: how the inputs of a build differ from those of the one before it.
public struct Explanation: Sendable, Codable {
    public struct Input: Sendable, Codable, Equatable {
        /// "package", "file", "run", "layer", …
        public let kind: String
        /// What identifies it, when it was and is there: a path, a name.
        public let name: String
        /// What was said of it and is no more; nil when it wasn't there.
        public let before: String?
        /// What is said of it and wasn't before; nil when it isn't there any more.
        public let after: String?
    }

    public let label: String
    public let before: LayerID?
    public let after: LayerID?
    /// Seconds since 1970.
    public let built: Int64
    public let seconds: Double
    /// The layer with its packages, installed by a build before, that the build began with; nil when it installed them.
    public let packages: LayerID?
    public let inputs: [Input]

    /// - Parameters:
    ///   - build: the build to explain.
    ///   - previous: the one before it.
    public init(of build: BuildRecord, after previous: BuildRecord) {
        label = build.label
        before = previous.layer
        after = build.layer
        built = build.started
        seconds = build.seconds
        packages = build.packages
        inputs = Self.compare(previous.inputs, build.inputs)
    }

    private static func compare(_ old: [[String]], _ new: [[String]]) -> [Input] {
        let (all, allNew) = (Set(old), Set(new))
        let (removed, added) = (old.filter { !allNew.contains($0) }.map(InputText.init), new.filter { !all.contains($0) })
        var inputs: [Input] = []
        var gone = removed
        for entry in added.map(InputText.init) {
            guard let index = gone.firstIndex(where: { $0.kind == entry.kind && $0.name == entry.name }) else {
                inputs.append(Input(kind: entry.kind, name: entry.name, before: nil, after: entry.text()))
                continue
            }
            let before = gone.remove(at: index)
            inputs.append(
                Input(
                    kind: entry.kind, name: entry.name, before: before.text(besides: entry), after: entry.text(besides: before)))
        }
        return inputs + gone.map { Input(kind: $0.kind, name: $0.name, before: $0.text(), after: nil) }
    }
}
