public import Layers

/// Why a target was built: how the inputs of a build differ from those of the one before it.
public struct Explanation: Sendable, Codable {
    public struct Input: Sendable, Codable, Equatable {
        /// "package", "file", "run", "layer", …
        public let kind: String
        /// What identifies it, when it was and is there: a path, a name.
        public let name: String
        /// Nil when it wasn't there.
        public let before: String?
        /// Nil when it isn't there any more.
        public let after: String?
    }

    public let label: String
    public let before: LayerID?
    public let after: LayerID?
    /// Seconds since 1970.
    public let built: Int64
    public let seconds: Double
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
        inputs = Self.compare(previous.inputs, build.inputs)
    }

    private static func compare(_ old: [[String]], _ new: [[String]]) -> [Input] {
        let (removed, added) = (old.filter { !new.contains($0) }, new.filter { !old.contains($0) })
        func rest(_ entry: [String]) -> String { entry.dropFirst(2).joined(separator: " ") }
        var inputs: [Input] = []
        var gone = removed
        for entry in added {
            let (kind, name) = (entry.first ?? "", entry.dropFirst().first ?? "")
            if let index = gone.firstIndex(where: { $0.prefix(2) == entry.prefix(2) }) {
                inputs.append(Input(kind: kind, name: name, before: rest(gone.remove(at: index)), after: rest(entry)))
            } else {
                inputs.append(Input(kind: kind, name: name, before: nil, after: rest(entry)))
            }
        }
        return inputs
            + gone.map { Input(kind: $0.first ?? "", name: $0.dropFirst().first ?? "", before: rest($0), after: nil) }
    }
}
