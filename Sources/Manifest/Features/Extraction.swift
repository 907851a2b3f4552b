/// Programs of another image, with the libraries they need.
public struct Extraction: FeatureContent {
    public let image: Located<Label>
    /// Paths of programs, in both images; sorted.
    public let programs: [String]

    static let rank = 80
    var name: String { programs.first ?? "" }
    var provides: [Provision] { programs.map { .path($0) } }
    var images: [Located<Label>] { [image] }

    static let key = KeySchema(
        "extract", .list(of: .mapping(schema)),
        "Programs of other images with the shared libraries they need and the interpreter that loads them, under the same paths.")

    static let schema = MappingSchema(
        "an extraction", title: "extract",
        [
            KeySchema("from", .text(.label), required: true, "The image."),
            KeySchema("programs", .list(of: .text(.path)), required: true, "Paths of programs in it."),
        ])

    static func features(_ mapping: CheckedMapping, _ context: FeatureContext) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            let extraction = Extraction(
                image: context.label(entry.located("from") ?? Located("", at: entry.place)),
                programs: entry.texts("programs").map(\.value).sorted())
            return Feature(.extraction(extraction), at: entry.place)
        }
    }
}
