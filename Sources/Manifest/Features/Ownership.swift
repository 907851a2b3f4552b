/// Who owns something, and what may be done with it.
public struct Ownership: Sendable, Equatable, Encodable {
    /// Names or numbers.
    public let owner: String
    public let group: String
    /// Permission bits.
    public let mode: UInt32

    static func keys(mode: String) -> [KeySchema] {
        [
            KeySchema("mode", .text(.mode), default: "`\(mode)`", "Permission bits."),
            KeySchema("owner", .text(.owner), default: "`root`", "The user it belongs to."),
            KeySchema("group", .text(.owner), default: "`root`", "The group it belongs to."),
        ]
    }

    init(_ mapping: CheckedMapping, mode: UInt32) {
        owner = mapping.text("owner") ?? "root"
        group = mapping.text("group") ?? "root"
        self.mode = mapping.mode("mode", default: mode)
    }

    var requires: [Provision] { Provision.owners(owner, group) }
}
