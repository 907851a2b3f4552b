/// A further name of a file.
public struct Hardlink: FeatureContent {
    public let path: String
    public let target: String

    static let rank = 120
    var name: String { path }
    var provides: [Provision] { Provision.paths(path) }
    var requires: [Provision] { [.path(target)] }

    static let key = KeySchema("hardlinks", .list(of: .mapping(schema)), "Further names of files.")

    static let schema = MappingSchema(
        "a hard link", title: "hardlinks",
        [
            KeySchema("path", .text(.path), required: true, "The new name."),
            KeySchema("target", .text(.path), required: true, "A file of the image."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            Feature(.hardlink(Hardlink(path: entry.text("path") ?? "", target: entry.text("target") ?? "")), at: entry.place)
        }
    }
}
