/// A directory; one that is there gets this mode and these owners.
public struct Directory: FeatureContent {
    public let path: String
    public let ownership: Ownership

    static let rank = 90
    var name: String { path }
    var provides: [Provision] { [.path(path)] }
    var requires: [Provision] { ownership.requires }
    var holdsPaths: Bool { true }

    static let key = KeySchema(
        "directories", .list(of: .mapping(schema)),
        "Directories. Those above a path are made by themselves where they are missing, owned by root.")

    static let schema = MappingSchema(
        "a directory", title: "directories",
        [KeySchema("path", .text(.path), required: true, "Where it is.")] + Ownership.keys(mode: "0755"))

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            let directory = Directory(path: entry.text("path") ?? "", ownership: Ownership(entry, mode: 0o755))
            return Feature(.directory(directory), at: entry.place)
        }
    }
}
