/// What an archive holds, unpacked into a directory.
public struct Tarball: FeatureContent {
    public let source: Located<SourceFile>
    /// What the archive's digest must be; nil for any.
    public let sha256: Located<String>?
    public let destination: String
    /// How many leading parts of the names inside are left out.
    public let strip: UInt32
    /// Names or numbers; all that is unpacked is theirs.
    public let owner: String
    public let group: String

    static let rank = 60
    var name: String { "\(destination) \(source.value.folder)/\(source.value.path)" }
    var provides: [Provision] { [] }
    var requires: [Provision] { Provision.owners(owner, group) }
    var fills: [String] { [destination] }
    var sources: [Located<SourceFile>] { [source] }

    static let key = KeySchema(
        "tarballs", .list(of: .mapping(schema)),
        "Archives of tar, plain or compressed with gzip, bzip2, xz or zstd, to unpack. No name in one leads out of its directory."
    )

    static let schema = MappingSchema(
        "a tarball", title: "tarballs",
        [
            KeySchema("source", .text(.source), required: true, "The archive, below this file's folder."),
            KeySchema("sha256", .text(.digest), default: "not checked", "The archive's digest."),
            KeySchema("to", .text(.path), required: true, "The directory to unpack into; made if need be."),
            KeySchema("strip", .integer(0...20), default: "`0`", "How many leading parts of the names inside are left out."),
            KeySchema("owner", .text(.owner), default: "`root`", "The user all of it belongs to."),
            KeySchema("group", .text(.owner), default: "`root`", "The group all of it belongs to."),
        ])

    static func features(_ mapping: CheckedMapping, _ context: FeatureContext) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).map { entry in
            let tarball = Tarball(
                source: context.source(entry.located("source") ?? Located("", at: entry.place)),
                sha256: entry.located("sha256"), destination: entry.text("to") ?? "", strip: entry.number("strip") ?? 0,
                owner: entry.text("owner") ?? "root", group: entry.text("group") ?? "root")
            return Feature(.tarball(tarball), at: entry.place)
        }
    }
}
