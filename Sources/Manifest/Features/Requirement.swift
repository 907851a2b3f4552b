/// Something that must be there: from the parent, from a package, or from another feature.
public struct Requirement: FeatureContent {
    public enum Kind: String, Sendable, Equatable, Encodable {
        case path, user, group
    }

    public let kind: Kind
    public let value: String

    static let rank = 170
    var name: String { "\(kind) \(value)" }
    var provides: [Provision] { [] }
    var requires: [Provision] {
        switch kind {
        case .path: [.path(value)]
        case .user: [.user(value)]
        case .group: [.group(value)]
        }
    }

    static let key = KeySchema(
        "requires", .mapping(schema),
        "What must be there, from the parent, a package or another feature: for feature sets that build on something.")

    static let schema = MappingSchema(
        "'requires'", title: "requires",
        [
            KeySchema("paths", .list(of: .text(.path)), default: "none", "Paths that must exist."),
            KeySchema("users", .list(of: .text(.account)), default: "none", "Users there must be."),
            KeySchema("groups", .list(of: .text(.account)), default: "none", "Groups there must be."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        guard let entry = try mapping.mapping(key.name) else { return [] }
        let kinds: [(String, Kind)] = [("paths", .path), ("users", .user), ("groups", .group)]
        return kinds.flatMap { key, kind in
            entry.texts(key).map { Feature(.requirement(Requirement(kind: kind, value: $0.value)), at: $0.place) }
        }
    }
}
