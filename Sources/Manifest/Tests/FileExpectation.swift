import Spec

/// What is at a path of an image.
public struct FileExpectation: Sendable, Equatable, Encodable {
    public enum FileType: String, Sendable, Equatable, Encodable, CaseIterable {
        case file
        case directory
        case symlink
        case char
        case block
        case fifo
        case socket
    }

    public let path: String
    public let isAbsent: Bool
    public let type: FileType?
    /// Permission bits.
    public let mode: UInt32?
    /// A name or a number.
    public let owner: String?
    public let group: String?
    /// Where a symbolic link leads.
    public let target: String?
    public let content: TextExpectation?

    static let schema = MappingSchema(
        "an expected file", title: "tests: files", shorthand: "path",
        [
            KeySchema("path", .text(.path), required: true, "Where it is. A link at its end is the file itself."),
            KeySchema("absent", .boolean, default: "`false`", "Whether there must be nothing."),
            KeySchema("type", .text(.word(FileType.allCases.map(\.rawValue))), default: "any", "What it is."),
            KeySchema("mode", .text(.mode), default: "any", "Permission bits."),
            KeySchema("owner", .text(.owner), default: "any", "The user it belongs to."),
            KeySchema("group", .text(.owner), default: "any", "The group it belongs to."),
            KeySchema("target", .text(.any), default: "any", "Where the symbolic link leads."),
            KeySchema(
                "content", .mapping(TextExpectation.schema), default: "any", "What is in the file, links followed in the image."),
        ])

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        path = mapping.text("path") ?? ""
        isAbsent = try mapping.mustBeAbsent(but: "path")
        type = mapping.text("type").flatMap { FileType(rawValue: $0) }
        mode = mapping.text("mode").flatMap { UInt32($0, radix: 8) }
        owner = mapping.text("owner")
        group = mapping.text("group")
        target = mapping.text("target")
        content = try mapping.mapping("content").map { TextExpectation($0) }
    }
}
