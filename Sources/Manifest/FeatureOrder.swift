/// Brings features into an order that doesn't depend on the file's: what provides something comes before what
/// needs it, and among those that are free to go, the kind and then the name decides.
///
/// - Throws: `ManifestError` that names both places, when two provide the same thing differently or need each other.
enum FeatureOrder {
    static func arrange(_ given: [Feature]) throws(ManifestError) -> [Feature] {
        let features = numbered(try withoutRepetition(given))
        var providers: [Provision: Int] = [:]
        for (index, feature) in features.enumerated() {
            for provision in feature.provides { providers[provision] = index }
        }
        let before = try predecessors(features, providers)
        return try sort(features, before)
    }

    /// Steps of `run` keep the order they are written in.
    private static func numbered(_ features: [Feature]) -> [Feature] {
        var position = 0
        return features.map { feature in
            guard case .run(var run) = feature.content else { return feature }
            run.position = position
            position += 1
            return Feature(.run(run), at: feature.place)
        }
    }

    /// Feature sets may say the same thing twice, but not two things of the same.
    private static func withoutRepetition(_ features: [Feature]) throws(ManifestError) -> [Feature] {
        var seen: [Provision: Feature] = [:]
        var kept: [Feature] = []
        for feature in features {
            var isRepetition = false
            for provision in feature.provides {
                guard let other = seen[provision] else {
                    seen[provision] = feature
                    continue
                }
                guard other.content == feature.content else {
                    let isLater = feature.place > other.place
                    throw conflict(provision, isLater ? feature : other, isLater ? other : feature)
                }
                isRepetition = true
            }
            if !isRepetition { kept.append(feature) }
        }
        return kept
    }

    private static func conflict(_ provision: Provision, _ feature: Feature, _ other: Feature) -> ManifestError {
        let message =
            switch (feature.content, other.content) {
            case (.removal, .removal): "\(provision) is removed twice and differently; the first time at \(other.place)"
            case (.removal, _), (.packageRemoval, _): "\(provision) is removed here and provided at \(other.place)"
            case (_, .removal), (_, .packageRemoval): "\(provision) is provided here and removed at \(other.place)"
            default: "\(provision) is provided twice and differently; the first time at \(other.place)"
            }
        return ManifestError(feature.place, message)
    }

    /// For each feature the indices of those that must come first.
    private static func predecessors(
        _ features: [Feature], _ providers: [Provision: Int]
    ) throws(ManifestError) -> [Set<Int>] {
        var holders: [String: [Int]] = [:]
        for (index, feature) in features.enumerated() {
            for path in feature.properties.fills { holders[path, default: []].append(index) }
            for case .path(let path) in feature.provides { holders[path, default: []].append(index) }
        }
        var before: [Set<Int>] = []
        for (index, feature) in features.enumerated() {
            var first: Set<Int> = []
            for requirement in feature.requires {
                if let provider = providers[requirement] { first.insert(provider) }
            }
            // A path that lies in what another feature provides comes after it.
            let paths = (feature.provides + feature.requires).compactMap { provision in
                if case .path(let path) = provision { path } else { nil }
            }
            for path in paths + feature.properties.fills {
                for above in ancestors(of: path) {
                    for holder in holders[above] ?? [] where holder != index {
                        let other = features[holder]
                        guard other.properties.holdsPaths || other.properties.fills.contains(above) else {
                            throw ManifestError(
                                feature.place,
                                "the path \(path) lies in \(above), which is not a directory but provided at \(other.place)")
                        }
                        first.insert(holder)
                    }
                }
            }
            before.append(first)
        }
        return before
    }

    private static func ancestors(of path: String) -> [String] {
        var ancestors: [String] = []
        var path = path[...]
        while let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            path = path[..<slash]
            ancestors.append(String(path))
        }
        return ancestors
    }

    private static func sort(_ features: [Feature], _ before: [Set<Int>]) throws(ManifestError) -> [Feature] {
        let keys = features.map { (type(of: $0.properties).rank, $0.properties.name) }
        var left = features.indices.sorted { keys[$0] < keys[$1] }
        var done: Set<Int> = []
        var sorted: [Feature] = []
        while !left.isEmpty {
            guard let position = left.firstIndex(where: { before[$0].isSubset(of: done) }) else {
                throw cycle(features, before, among: Set(left))
            }
            let index = left.remove(at: position)
            done.insert(index)
            sorted.append(features[index])
        }
        return sorted
    }

    private static func cycle(_ features: [Feature], _ before: [Set<Int>], among left: Set<Int>) -> ManifestError {
        // Everything that is left waits for something that is left: following it ends in a circle.
        var path: [Int] = []
        var current = left.min()!
        while !path.contains(current) {
            path.append(current)
            current = before[current].intersection(left).min()!
        }
        let circle = path[path.firstIndex(of: current)!...].map { features[$0] }
        let start = circle.first!
        let others = circle.dropFirst().map { "\($0.place)" }.joined(separator: " and ")
        return ManifestError(
            start.place,
            circle.count == 1
                ? "this needs what it provides itself"
                : "this needs what is provided at \(others), which needs what is provided here")
    }
}
