import Spec

/// Something that each task makes for itself when it is first booted, and that isn't in the image: a key, a database's files.
public struct FirstBoot: FeatureContent {
    public let name: String
    /// For `/bin/sh -e`.
    public let script: String
    /// Paths that the script makes. The image has an empty directory for one that is a directory when it is built, else nothing.
    public let creates: [String]
    /// Units that start after it.
    public let before: [String]

    static let rank = 190
    var provides: [Provision] { Provision.paths(unitPath) + creates.map { .path($0) } }
    var requires: [Provision] { before.map { .unit($0) } }

    /// The unit that runs the script.
    public var unit: String { "dish-first-boot-\(name).service" }
    private var unitPath: String { "/usr/lib/systemd/system/\(unit)" }

    static let key = KeySchema(
        "first_boot", .list(of: .mapping(schema)),
        "What each task makes for itself when it is first booted, so that it isn't in the image: keys, databases. After all other features."
    )

    static let schema = MappingSchema(
        "an entry of 'first_boot'", title: "first_boot",
        [
            KeySchema(
                "name", .text(.plainName), required: true,
                "Its name: a part of that of its unit, `dish-first-boot-<name>.service`."),
            KeySchema(
                "creates", .list(of: .text(.path)), required: true,
                "What the script makes. It is taken out of the image, but for the directory itself where it is one. The script runs at each boot that finds one missing, or such a directory empty."
            ),
            KeySchema("script", .text(.any), required: true, "For `/bin/sh -e`, as root in the booted task."),
            KeySchema(
                "before", .list(of: .text(.unit)), default: "`multi-user.target`",
                "Units that start after it, and not at all when it fails."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        var features: [Feature] = []
        for entry in try mapping.mappings(key.name) {
            let creates = entry.texts("creates").map(\.value).sorted()
            guard !creates.isEmpty else {
                throw ManifestError(entry.place(of: "creates"), "'creates' is empty; name what the script makes")
            }
            let content = FirstBoot(
                name: entry.text("name") ?? "", script: entry.text("script") ?? "", creates: creates,
                before: entry.texts("before").map(\.value).sorted())
            features.append(Feature(.firstBoot(content), at: entry.place))
        }
        return features
    }
}
