/// A path that goes, with all that is below it.
public struct Removal: FeatureContent {
    public let path: String
    /// Whether it is an error when there is no such path.
    public let mustExist: Bool

    static let rank = 50
    var name: String { path }
    var provides: [Provision] { [.path(path)] }
    // What is put below it comes after the removal.
    var holdsPaths: Bool { true }

    static let key = KeySchema(
        "remove", .list(of: .mapping(schema)),
        "Paths to remove, directories with all they hold. A file that is put below such a directory is put there afterwards.")

    static let schema = MappingSchema(
        "a removal", title: "remove", shorthand: "path",
        [
            KeySchema("path", .text(.path), required: true, "What goes."),
            KeySchema("must_exist", .boolean, default: "`true`", "Whether it is an error when it isn't there."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            let removal = Removal(path: entry.text("path") ?? "", mustExist: entry.isTrue("must_exist") ?? true)
            return Feature(.removal(removal), at: entry.place)
        }
    }
}
