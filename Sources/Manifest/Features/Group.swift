/// A group of users.
public struct Group: FeatureContent {
    public let name: String
    /// Nil: the first free one.
    public let gid: UInt32?

    static let rank = 30
    var provides: [Provision] { [.group(name)] }

    static let key = KeySchema("groups", .list(of: .mapping(schema)), "Groups of users.")

    static let schema = MappingSchema(
        "a group", title: "groups",
        [
            KeySchema("name", .text(.account), required: true, "Its name."),
            KeySchema("gid", .integer(1...65533), default: "the first free one from 1000", "Its number."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            Feature(.group(Group(name: entry.text("name") ?? "", gid: entry.number("gid"))), at: entry.place)
        }
    }
}
