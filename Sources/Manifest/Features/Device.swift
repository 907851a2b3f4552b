/// A device node.
public struct Device: FeatureContent {
    public enum Kind: String, Sendable, Equatable, Encodable, CaseIterable {
        case char, block
    }

    public let path: String
    public let kind: Kind
    public let major: UInt32
    public let minor: UInt32
    public let ownership: Ownership

    static let rank = 110
    var name: String { path }
    var provides: [Provision] { [.path(path)] }
    var requires: [Provision] { ownership.requires }

    static let key = KeySchema(
        "devices", .list(of: .mapping(schema)),
        "Device nodes. A task's own `/dev` hides what is there, and user namespaces keep a node from being opened: this is for roots that other things read."
    )

    static let schema = MappingSchema(
        "a device", title: "devices",
        [
            KeySchema("path", .text(.path), required: true, "Where it is."),
            KeySchema(
                "type", .text(.word(Kind.allCases.map(\.rawValue))), required: true,
                "Whether it is a character or a block device."),
            KeySchema("major", .integer(0...4095), required: true, "Its major number."),
            KeySchema("minor", .integer(0...1_048_575), required: true, "Its minor number."),
        ] + Ownership.keys(mode: "0600"))

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            let device = Device(
                path: entry.text("path") ?? "", kind: entry.text("type").flatMap { Kind(rawValue: $0) } ?? .char,
                major: entry.number("major") ?? 0, minor: entry.number("minor") ?? 0,
                ownership: Ownership(entry, mode: 0o600))
            return Feature(.device(device), at: entry.place)
        }
    }
}
