/// A user, who can't log in by password.
public struct User: FeatureContent {
    public let name: String
    /// Nil: the first free one.
    public let uid: UInt32?
    /// Primary group; nil: a group of the user's own name.
    public let group: String?
    /// Further groups.
    public let groups: [String]
    public let home: String
    public let shell: String
    public let comment: String

    static let rank = 40
    var provides: [Provision] { [.user(name)] + (group == nil ? [.group(name)] : []) }
    var requires: [Provision] { (group.map { [$0] } ?? []).map { .group($0) } + groups.map { .group($0) } }
    var fills: [String] { [home] }

    static let key = KeySchema("users", .list(of: .mapping(schema)), "Users, without a password.")

    static let schema = MappingSchema(
        "a user", title: "users",
        [
            KeySchema("name", .text(.account), required: true, "The user's name."),
            KeySchema("uid", .integer(1...65533), default: "the first free one from 1000", "The user's number."),
            KeySchema("group", .text(.account), default: "one of the user's name, made if need be", "The primary group."),
            KeySchema("groups", .list(of: .text(.account)), default: "none", "Further groups."),
            KeySchema(
                "home", .text(.path), default: "`/home/<name>`",
                "The home directory, made with mode 0700 unless it is there."),
            KeySchema("shell", .text(.field), default: "`/bin/sh`", "What runs when the user logs in."),
            KeySchema("comment", .text(.field), default: "empty", "A name for people."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            let name = entry.text("name") ?? ""
            let user = User(
                name: name, uid: entry.number("uid"), group: entry.text("group"),
                groups: entry.texts("groups").map(\.value).sorted(), home: entry.text("home") ?? "/home/\(name)",
                shell: entry.text("shell") ?? "/bin/sh", comment: entry.text("comment") ?? "")
            return Feature(.user(user), at: entry.place)
        }
    }
}
