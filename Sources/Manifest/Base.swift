import Spec

/// What an image without a parent starts from.
public enum Base: Sendable, Equatable {
    case debian(DebianBase)
    case tarball(TarballBase)
    case oci(OCIBase)
    /// Nothing.
    case scratch

    static let key = KeySchema(
        "base", .wordOrMapping("scratch", schema), "What the image starts from instead of a parent; `scratch` is an empty root.")

    private static let schema = MappingSchema(
        "'base'", title: "base", oneOf: [["debian", "tarball", "oci"]],
        [
            KeySchema("debian", .mapping(DebianBase.schema), "Debian packages."),
            KeySchema("tarball", .mapping(TarballBase.schema), "A root file system in an archive of tar."),
            KeySchema("oci", .mapping(OCIBase.schema), "An image in an OCI image layout."),
        ])

    init?(_ mapping: CheckedMapping, _ context: FeatureContext) throws(ManifestError) {
        guard mapping["base"] != nil else { return nil }
        guard let base = try mapping.mapping("base") else {
            self = .scratch
            return
        }
        if let debian = try base.mapping("debian") {
            self = .debian(DebianBase(debian))
        } else if let tarball = try base.mapping("tarball") {
            self = .tarball(TarballBase(tarball, context))
        } else if let oci = try base.mapping("oci") {
            self = .oci(OCIBase(oci, context))
        } else {
            self = .scratch
        }
    }
}

/// A Debian made from packages.
public struct DebianBase: Sendable, Equatable, Encodable {
    public enum Variant: String, Sendable, Equatable, Encodable, CaseIterable {
        /// The essential packages and apt.
        case apt
        /// The essential packages.
        case minimal
    }

    /// The release's code name: `bookworm`.
    public let suite: String
    public let components: [String]
    public let variant: Variant

    static let schema = MappingSchema(
        "'debian'", title: "base: debian",
        [
            KeySchema("suite", .text(.plainName), required: true, "The release's code name, like `bookworm`."),
            KeySchema("components", .list(of: .text(.plainName)), default: "`[main]`", "Parts of the archive."),
            KeySchema(
                "variant", .text(.word(Variant.allCases.map(\.rawValue))), default: "`apt`",
                "`apt`: the essential packages and apt. `minimal`: the essential packages, and what is asked for."),
        ])

    init(_ mapping: CheckedMapping) {
        suite = mapping.text("suite") ?? ""
        let given = mapping.texts("components").map(\.value)
        components = given.isEmpty ? ["main"] : given
        variant = mapping.text("variant").flatMap { Variant(rawValue: $0) } ?? .apt
    }
}

/// A root file system in an archive.
public struct TarballBase: Sendable, Equatable, Encodable {
    public let source: Located<SourceFile>
    public let sha256: Located<String>?

    static let schema = MappingSchema(
        "'tarball'", title: "base: tarball",
        [
            KeySchema(
                "source", .text(.source), required: true, "The archive, below this file's folder. Owners are kept by number."),
            KeySchema("sha256", .text(.digest), default: "not checked", "The archive's digest."),
        ])

    init(_ mapping: CheckedMapping, _ context: FeatureContext) {
        source = context.source(mapping.located("source") ?? Located("", at: mapping.place))
        sha256 = mapping.located("sha256")
    }
}

/// An image in an OCI image layout: a directory with `index.json` and `blobs`.
public struct OCIBase: Sendable, Equatable, Encodable {
    public let layout: Located<SourceFile>
    /// Which image of the layout; nil for the only one.
    public let reference: Located<String>?

    static let schema = MappingSchema(
        "'oci'", title: "base: oci",
        [
            KeySchema("layout", .text(.source), required: true, "The layout's directory, below this file's folder."),
            KeySchema(
                "reference", .text(.any), default: "the only image of the layout",
                "The image's name in the layout (`org.opencontainers.image.ref.name`)."),
        ])

    init(_ mapping: CheckedMapping, _ context: FeatureContext) {
        layout = context.source(mapping.located("layout") ?? Located("", at: mapping.place))
        reference = mapping.located("reference")
    }
}
