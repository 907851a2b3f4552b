/// An `IMAGES.yaml` file.
public struct ImageFile: Sendable {
    /// The file's name in each folder of a workspace.
    public static let name = "IMAGES.yaml"

    public let targets: [ImageTarget]

    /// - Parameters:
    ///   - text: the file's content.
    ///   - file: its path, for messages.
    ///   - folder: the folder's path from the workspace's root; empty for the root.
    public init(_ text: String, file: String, folder: String) throws(ManifestError) {
        guard let document = try YAMLNode.document(text, file: file) else {
            throw ManifestError(.init(file: file, line: 1, column: 1), "the file is empty; it needs the key 'images'")
        }
        let top = try document.mapping("the file", keys: ["images"])
        var targets: [ImageTarget] = []
        for node in try top.required("images").list("'images'") {
            let target = try Self.target(node, folder: folder)
            if let other = targets.first(where: { $0.label == target.label }) {
                throw ManifestError(
                    target.place, "the image '\(target.label)' is defined twice; the first time at \(other.place)")
            }
            targets.append(target)
        }
        self.targets = targets
    }

    private static let keys = [
        "name", "base", "parent", "packages", "directories", "files", "symlinks", "groups", "users", "systemd", "run",
    ]

    private static func target(_ node: YAMLNode, folder: String) throws(ManifestError) -> ImageTarget {
        let mapping = try node.mapping("an image", keys: keys)
        let nameNode = try mapping.required("name")
        let name = try nameNode.string("'name'")
        guard Label.isName(name) else {
            throw nameNode.fail("'\(name)' can't be an image's name: use letters, digits, '.', '_' and '-'")
        }
        var target = ImageTarget(
            label: Label(folder: folder, name: name), place: nameNode.place,
            origin: try origin(mapping, nameNode, folder: folder))
        for node in try list(mapping, "packages") {
            let name = try node.string("a package")
            guard isPackage(name) else {
                throw node.fail("'\(name)' is not a Debian package's name (or name=version)")
            }
            target.packages.append(.init(name: name, place: node.place))
        }
        for node in try list(mapping, "directories") { target.directories.append(try directory(node)) }
        for node in try list(mapping, "files") { target.files.append(try file(node)) }
        for node in try list(mapping, "symlinks") { target.symlinks.append(try symlink(node)) }
        for node in try list(mapping, "groups") { target.groups.append(try group(node)) }
        for node in try list(mapping, "users") { target.users.append(try user(node)) }
        if let node = mapping["systemd"] { try systemd(node, into: &target) }
        for node in try list(mapping, "run") {
            let script = try node.string("a step of 'run'")
            target.runs.append(.init(script: script, place: node.place))
        }
        try refuseRepetition(target)
        return target
    }

    private static func list(_ mapping: YAMLMapping, _ key: String) throws(ManifestError) -> [YAMLNode] {
        guard let node = mapping[key] else { return [] }
        return try node.list("'\(key)'")
    }

    private static func origin(
        _ mapping: YAMLMapping, _ name: YAMLNode, folder: String
    ) throws(ManifestError) -> ImageTarget.Origin {
        switch (mapping["base"], mapping["parent"]) {
        case (nil, nil): throw name.fail("an image needs either 'parent' (another image) or 'base'")
        case (_?, let parent?): throw parent.fail("an image has either 'parent' or 'base', not both")
        case (nil, let parent?):
            let text = try parent.string("'parent'")
            guard let label = Label(text, in: folder) else {
                throw parent.fail("'\(text)' is not a label; write //folder:name, or :name for an image of this file")
            }
            return .parent(label, parent.place)
        case (let base?, nil):
            let kinds = try base.mapping("'base'", keys: ["debian"])
            let debian = try kinds.required("debian").mapping("'debian'", keys: ["suite", "components"])
            let suiteNode = try debian.required("suite")
            let suite = try suiteNode.string("'suite'")
            guard Label.isName(suite) else { throw suiteNode.fail("'\(suite)' is not a suite's name, like bookworm") }
            var components: [String] = []
            if let node = debian["components"] {
                for entry in try node.list("'components'") {
                    let component = try entry.string("a component")
                    guard Label.isName(component) else { throw entry.fail("'\(component)' is not a component's name, like main") }
                    components.append(component)
                }
            }
            return .debian(.init(suite: suite, components: components.isEmpty ? ["main"] : components))
        }
    }

    /// Debian Policy 5.6.1 and 5.6.12.
    private static func isPackage(_ text: String) -> Bool {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, name.utf8.count >= 2, let first = name.utf8.first, isLowerOrDigit(first),
            name.utf8.allSatisfy({ isLowerOrDigit($0) || "+-.".utf8.contains($0) })
        else { return false }
        guard parts.count == 2 else { return true }
        let version = parts[1]
        return !version.isEmpty
            && version.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".+-~:".contains($0)) }
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// Two features that provide the same thing name both lines.
    private static func refuseRepetition(_ target: ImageTarget) throws(ManifestError) {
        var seen: [String: ManifestError.Place] = [:]
        let provided =
            target.directories.map { ("the path \($0.path)", $0.place) } + target.files.map { ("the path \($0.path)", $0.place) }
            + target.symlinks.map { ("the path \($0.path)", $0.place) } + target.groups.map { ("the group \($0.name)", $0.place) }
            + target.users.map { ("the user \($0.name)", $0.place) } + target.units.map { ("the unit \($0.name)", $0.place) }
        for (thing, place) in provided {
            if let other = seen[thing] { throw ManifestError(place, "\(thing) is provided twice; the first time at \(other)") }
            seen[thing] = place
        }
    }
}
