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

    /// The rule of `DeviceNode`, which no importer makes an exception of.
    private var isHarmless: Bool {
        switch (kind, major, minor) {
        case (.char, 0, 0), (.char, 1, 3), (.char, 1, 5), (.char, 1, 7), (.char, 1, 8), (.char, 1, 9), (.char, 5, 0),
            (.char, 5, 2):
            true
        default: false
        }
    }

    static let rank = 110
    var name: String { path }
    var provides: [Provision] { [.path(path)] }
    var requires: [Provision] { ownership.requires }

    static let key = KeySchema(
        "devices", .list(of: .mapping(schema)),
        "Device nodes: of `null`, `zero`, `full`, `random`, `urandom`, `tty` and `ptmx` (character devices 1:3, 1:5, 1:7, 1:8, 1:9, 5:0 and 5:2), and overlay's whiteout (0:0); others are refused. A task's own `/dev` hides what is there, and no node in a root can be opened (`nodev`): this is for roots that other things read."
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
        var features: [Feature] = []
        for entry in try mapping.mappings(key.name) {
            let device = Device(
                path: entry.text("path") ?? "", kind: entry.text("type").flatMap { Kind(rawValue: $0) } ?? .char,
                major: entry.number("major") ?? 0, minor: entry.number("minor") ?? 0,
                ownership: Ownership(entry, mode: 0o600))
            guard device.isHarmless else {
                throw ManifestError(
                    entry.place,
                    "an image can't have the \(device.kind == .char ? "character" : "block") device \(device.major):\(device.minor), only null, zero, full, random, urandom, tty, ptmx and 0:0; a task's own /dev has what it may use"
                )
            }
            features.append(Feature(.device(device), at: entry.place))
        }
        return features
    }
}
