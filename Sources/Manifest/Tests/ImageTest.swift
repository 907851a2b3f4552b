import Spec

/// What must hold of an image: its tree as it was built, what commands in a copy of it do, how it boots.
///
/// Tests decide nothing of what is built: they are no part of a target's action key.
public struct ImageTest: Sendable, Equatable, Encodable {
    public let name: Located<String>
    /// Run in the order they are written.
    public let commands: [Located<TestCommand>]
    /// Nil: the commands run in the sandbox of the build's steps.
    public let boot: Located<BootExpectation>?
    public let files: [Located<FileExpectation>]
    public let packages: [Located<PackageExpectation>]
    public let users: [Located<UserExpectation>]
    public let groups: [Located<GroupExpectation>]
    /// Bytes of all files of the image.
    public let sizeBudget: Located<UInt64>?
    /// The only paths, with all below them, in which the image differs from its parent.
    public let changes: Located<[String]>?

    /// Whether anything has to be started to know whether it holds.
    public var runsSomething: Bool { boot != nil || !commands.isEmpty }

    static let key = KeySchema(
        "tests", .list(of: .mapping(schema)), default: "none",
        "What must hold of the image, for `dish image test`. Tests decide nothing of what is built.")

    private static let schema = MappingSchema(
        "a test", title: "tests",
        someOf: ["commands", "boot", "files", "packages", "users", "groups", "size_budget", "changes"],
        [
            KeySchema("name", .text(.plainName), required: true, "Its name, of which the image has one."),
            KeySchema(
                "commands", .list(of: .mapping(TestCommand.schema)), default: "none",
                "Commands, run one after the other in one throw-away copy of the image. The first that does not do as expected ends the test."
            ),
            KeySchema(
                "boot", .mapping(BootExpectation.schema), default: "it isn't booted",
                "The copy is booted with its own init before the commands run, in it."),
            KeySchema("files", .list(of: .mapping(FileExpectation.schema)), default: "none", "What is at some paths."),
            KeySchema(
                "packages", .list(of: .mapping(PackageExpectation.schema)), default: "none",
                "Debian packages that are installed, or not."),
            KeySchema("users", .list(of: .mapping(UserExpectation.schema)), default: "none", "Users there are, or not."),
            KeySchema("groups", .list(of: .mapping(GroupExpectation.schema)), default: "none", "Groups there are, or not."),
            KeySchema(
                "size_budget", .text(.size), default: "none",
                "How many bytes all files of the image may have, those of its parents included."),
            KeySchema(
                "changes", .list(of: .text(.path)), default: "any",
                "The only paths, with all below them, in which the image differs from its parent. Directories that lead to one may be new."
            ),
        ])

    /// The tests of an image.
    ///
    /// - Parameter hasParent: whether there is something to differ from.
    static func tests(_ mapping: CheckedMapping, of label: Label, hasParent: Bool) throws(ManifestError) -> [ImageTest] {
        var tests: [ImageTest] = []
        for entry in try mapping.mappings(key.name) { tests.append(try ImageTest(entry, hasParent: hasParent)) }
        try requireDistinct(tests.map(\.name)) { "the test '\($0)' of \(label)" }
        return tests
    }

    private init(_ mapping: CheckedMapping, hasParent: Bool) throws(ManifestError) {
        name = mapping.located("name") ?? Located("", at: mapping.place)
        commands = try mapping.located("commands") { entry throws(ManifestError) in try TestCommand(entry) }
        if let entry = try mapping.mapping("boot") {
            boot = Located(try BootExpectation(entry), at: entry.place)
        } else {
            boot = nil
        }
        files = try mapping.located("files") { entry throws(ManifestError) in try FileExpectation(entry) }
        packages = try mapping.located("packages") { entry throws(ManifestError) in try PackageExpectation(entry) }
        users = try mapping.located("users") { entry throws(ManifestError) in try UserExpectation(entry) }
        groups = try mapping.located("groups") { entry throws(ManifestError) in try GroupExpectation(entry) }
        sizeBudget = mapping.located("size_budget").map { Located(ByteCount($0.value)?.bytes ?? 0, at: $0.place) }
        changes = mapping["changes"].map { Located(mapping.texts("changes").map(\.value), at: $0.place) }
        if let changes, !hasParent {
            throw ManifestError(changes.place, "'changes' are those to the parent, and this image has none")
        }
        try requireDistinct(files.map { $0.map(\.path) }) { "the file '\($0)' of this test" }
        try requireDistinct(packages.map { $0.map(\.name) }) { "the package '\($0)' of this test" }
        try requireDistinct(users.map { $0.map(\.name) }) { "the user '\($0)' of this test" }
        try requireDistinct(groups.map { $0.map(\.name) }) { "the group '\($0)' of this test" }
        try requireDistinct(mapping.texts("changes")) { "the path '\($0)' of 'changes'" }
    }
}

/// Refuses a name that stands twice.
func requireDistinct(
    _ names: [Located<String>], _ what: (String) -> String
) throws(ManifestError) {
    var first: [String: ManifestError.Place] = [:]
    for name in names {
        if let place = first[name.value] {
            throw ManifestError(name.place, "\(what(name.value)) is there twice; the first time at \(place)")
        }
        first[name.value] = name.place
    }
}

extension CheckedMapping {
    /// A list of mappings as values, each with its place.
    func located<Value: Sendable & Equatable>(
        _ key: String, _ make: (CheckedMapping) throws(ManifestError) -> Value
    ) throws(ManifestError) -> [Located<Value>] {
        var values: [Located<Value>] = []
        for entry in try mappings(key) { values.append(Located(try make(entry), at: entry.place)) }
        return values
    }

    /// Whether what a mapping names must be absent: then it can't say more of it.
    func mustBeAbsent(but name: String) throws(ManifestError) -> Bool {
        guard isTrue("absent") == true else { return false }
        for key in schema.keys.map(\.name) where ![name, "absent"].contains(key) && self[key] != nil {
            throw ManifestError(place(of: key), "\(schema.what) that must be absent can't have '\(key)'")
        }
        return true
    }
}
