import Spec

/// A script that changes the image.
public struct Run: FeatureContent {
    /// For `/bin/sh -e`.
    public let script: String
    /// The only paths it may change, with what is below them; nil for all.
    public let outputs: [String]?
    /// Seconds.
    public let timeout: Int?
    /// The image whose programs run, which sees the image being built at `/run/target`; nil for the image itself.
    public let appliance: Located<Label>?
    /// Which step of the image it is: steps run in the order they are written.
    public internal(set) var position = 0

    static let rank = 180
    var name: String { String(1_000_000 + position) }
    var provides: [Provision] { (outputs ?? []).flatMap { Provision.paths($0) } }
    var holdsPaths: Bool { true }
    var images: [Located<Label>] { appliance.map { [$0] } ?? [] }

    /// Where a step in an appliance finds the image being built.
    public static let target = "/run/target"

    static let key = KeySchema(
        "run", .list(of: .mapping(schema)),
        "Scripts, in the order they are written, after all other features but those that need one of their outputs.")

    static let schema = MappingSchema(
        "a step of 'run'", title: "run", shorthand: "script",
        [
            KeySchema("script", .text(.any), required: true, "For `/bin/sh -e`, as root in the image, without network."),
            KeySchema(
                "outputs", .list(of: .text(.path)), default: "the whole image",
                "The only paths the script may change, with what is below them; any other change is an error that names the path."
            ),
            KeySchema("timeout", .text(.duration), default: "none", "How long it may take."),
            KeySchema(
                "appliance", .text(.label), default: "the image itself",
                "An image whose programs run instead, read-only; it sees the image being built at `/run/target`. What builds an image needn't be in it."
            ),
        ])

    static func features(_ mapping: CheckedMapping, _ context: FeatureContext) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            let run = Run(
                script: entry.text("script") ?? "",
                outputs: entry["outputs"] == nil ? nil : entry.texts("outputs").map(\.value).sorted(),
                timeout: entry.text("timeout").flatMap { TextForm.seconds($0) },
                appliance: entry.located("appliance").map { context.label($0) })
            return Feature(.run(run), at: entry.place)
        }
    }
}
