import Spec

/// A symbolic link.
public struct Symlink: FeatureContent {
    public let path: String
    public let target: String

    static let rank = 130
    var name: String { path }
    var provides: [Provision] { Provision.paths(path) }
    var holdsPaths: Bool { true }

    static let key = KeySchema("symlinks", .list(of: .mapping(schema)), "Symbolic links.")

    static let schema = MappingSchema(
        "a symlink", title: "symlinks",
        [
            KeySchema("path", .text(.path), required: true, "Where it is."),
            KeySchema("target", .text(.any), required: true, "Where it leads; it need not exist."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            Feature(.symlink(Symlink(path: entry.text("path") ?? "", target: entry.text("target") ?? "")), at: entry.place)
        }
    }
}
