/// That a Debian package is installed, or isn't.
public struct PackageExpectation: Sendable, Equatable, Encodable {
    public let name: String
    /// Nil: any.
    public let version: String?
    public let isAbsent: Bool

    static let schema = MappingSchema(
        "an expected package", title: "tests: packages", shorthand: "name",
        [
            KeySchema("name", .text(.package), required: true, "The package; with `=version` it has exactly this version."),
            KeySchema("absent", .boolean, default: "`false`", "Whether it must not be installed."),
        ])

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        let parts = (mapping.text("name") ?? "").split(separator: "=", maxSplits: 1).map(String.init)
        name = parts.first ?? ""
        version = parts.count == 2 ? parts[1] : nil
        isAbsent = try mapping.mustBeAbsent(but: "name")
        if isAbsent, version != nil {
            throw ManifestError(mapping.place(of: "name"), "an expected package that must be absent can't have a version")
        }
    }
}
