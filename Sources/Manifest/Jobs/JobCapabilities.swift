/// The key `capabilities` of a job.
public struct JobCapabilities: Sendable, Equatable {
    public var add: [String]
    public var drop: [String]

    static let schema = MappingSchema(
        "'capabilities'", title: "capabilities",
        [
            KeySchema(
                "add", .list(of: .text(.capability)), default: "none",
                "Those it has beside what `security` gives it, like `SYS_PTRACE`."),
            KeySchema(
                "drop", .list(of: .text(.capability)), default: "none", "Those it hasn't; `all` for all that aren't added."),
        ])

    init(_ mapping: CheckedMapping?) {
        add = mapping?.texts("add").map(\.value) ?? []
        drop = mapping?.texts("drop").map(\.value) ?? []
    }
}
