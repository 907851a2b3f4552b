/// That an image has a user, or hasn't.
public struct UserExpectation: Sendable, Equatable, Encodable {
    public let name: String
    public let isAbsent: Bool
    public let uid: UInt32?
    /// Primary or not.
    public let groups: [String]
    public let home: String?
    public let shell: String?

    static let schema = MappingSchema(
        "an expected user", title: "tests: users", shorthand: "name",
        [
            KeySchema("name", .text(.account), required: true, "The user's name."),
            KeySchema("absent", .boolean, default: "`false`", "Whether there must be no such user."),
            KeySchema("uid", .integer(0...65533), default: "any", "The user's number."),
            KeySchema("groups", .list(of: .text(.account)), default: "any", "Groups the user belongs to, among others."),
            KeySchema("home", .text(.field), default: "any", "The home directory."),
            KeySchema("shell", .text(.field), default: "any", "What runs when the user logs in."),
        ])

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        name = mapping.text("name") ?? ""
        isAbsent = try mapping.mustBeAbsent(but: "name")
        uid = mapping.number("uid")
        groups = mapping.texts("groups").map(\.value)
        home = mapping.text("home")
        shell = mapping.text("shell")
    }
}

/// That an image has a group, or hasn't.
public struct GroupExpectation: Sendable, Equatable, Encodable {
    public let name: String
    public let isAbsent: Bool
    public let gid: UInt32?

    static let schema = MappingSchema(
        "an expected group", title: "tests: groups", shorthand: "name",
        [
            KeySchema("name", .text(.account), required: true, "Its name."),
            KeySchema("absent", .boolean, default: "`false`", "Whether there must be no such group."),
            KeySchema("gid", .integer(0...65533), default: "any", "Its number."),
        ])

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        name = mapping.text("name") ?? ""
        isAbsent = try mapping.mustBeAbsent(but: "name")
        gid = mapping.number("gid")
    }
}
