/// A file or a directory with all it holds, taken from another image with modes, owners, times and attributes.
public struct Clone: FeatureContent {
    public let image: Located<Label>
    /// In the other image.
    public let path: String
    /// In this one.
    public let destination: String

    static let rank = 70
    var name: String { destination }
    var provides: [Provision] { Provision.paths(destination) }
    var holdsPaths: Bool { true }
    var images: [Located<Label>] { [image] }

    static let key = KeySchema(
        "clone", .list(of: .mapping(schema)),
        "Paths of other images, shared with them on disk. A directory is merged into one that is there.")

    static let schema = MappingSchema(
        "a clone", title: "clone",
        [
            KeySchema("from", .text(.label), required: true, "The image."),
            KeySchema("path", .text(.path), required: true, "What is taken from it."),
            KeySchema("to", .text(.path), default: "the same path", "Where it is put."),
        ])

    static func features(_ mapping: CheckedMapping, _ context: FeatureContext) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            let path = entry.text("path") ?? ""
            let clone = Clone(
                image: context.label(entry.located("from") ?? Located("", at: entry.place)), path: path,
                destination: entry.text("to") ?? path)
            return Feature(.clone(clone), at: entry.place)
        }
    }
}
