/// A regular file.
public struct File: FeatureContent {
    public let path: String
    public let content: FileContent
    public let ownership: Ownership

    static let rank = 100
    var name: String { path }
    var provides: [Provision] { Provision.paths(path) }
    var requires: [Provision] { ownership.requires }
    var sources: [Located<SourceFile>] { content.source.map { [$0] } ?? [] }

    static let key = KeySchema("files", .list(of: .mapping(schema)), "Files. One that is there already is replaced.")

    static let schema = MappingSchema(
        "a file", title: "files", oneOf: [["source", "text", "template"]],
        [KeySchema("path", .text(.path), required: true, "Where it is.")] + FileContent.keys + FileContent.templateKeys
            + Ownership.keys(mode: "0644"))

    static func features(_ mapping: CheckedMapping, _ context: FeatureContext) throws(ManifestError) -> [Feature] {
        var features: [Feature] = []
        for entry in try mapping.mappings(key.name) {
            let file = File(
                path: entry.text("path") ?? "", content: try FileContent(entry, context),
                ownership: Ownership(entry, mode: 0o644))
            features.append(Feature(.file(file), at: entry.place))
        }
        return features
    }
}
