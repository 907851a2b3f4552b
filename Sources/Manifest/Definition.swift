/// An image or a feature set as it is written: its parameters have no values yet.
public struct Definition: Sendable {
    /// The label without values of parameters.
    public let label: Label
    public let place: ManifestError.Place
    public let isImage: Bool
    let parameters: Parameters
    let visibility: Visibility?
    private let node: YAMLNode

    init(_ node: YAMLNode, isImage: Bool, folder: String) throws(ManifestError) {
        let schema = isImage ? ImageLanguage.image : ImageLanguage.featureSet
        // With parameters, the rest can be checked only when they have values.
        let isComplete = !node.pairs.contains { $0.key.text == Parameters.key.name }
        let mapping = try CheckedMapping(
            isComplete ? node : Self.head(node, schema), isComplete ? schema : Self.head(schema))
        label = Label(folder: folder, name: mapping.text("name") ?? "")
        place = mapping.place(of: "name")
        self.isImage = isImage
        parameters = try Parameters(mapping)
        visibility = Visibility(mapping)
        self.node = node
    }

    /// Whether it can be used without giving values.
    public var isUsableAsItIs: Bool { parameters.all.allSatisfy { $0.standard != nil } }

    private static let headKeys = ["name", Parameters.key.name, Visibility.key.name]

    private static func head(_ schema: MappingSchema) -> MappingSchema {
        MappingSchema(schema.what, title: schema.title, schema.keys.filter { headKeys.contains($0.name) })
    }

    private static func head(_ node: YAMLNode, _ schema: MappingSchema) throws(ManifestError) -> YAMLNode {
        _ = try node.entries(schema.what, keys: schema.keys.map(\.name))
        var head = node
        head.content = .mapping(node.pairs.filter { headKeys.contains($0.key.text) })
        return head
    }

    /// What it is when its parameters have values.
    func checked(
        _ arguments: [String: String], at place: ManifestError.Place
    ) throws(ManifestError) -> CheckedMapping {
        let values = try parameters.values(arguments, of: label, at: place)
        var body = node
        body.content = .mapping(
            node.pairs.map { Self.headKeys.contains($0.key.text) ? $0 : (key: $0.key, value: $0.value.substituting(values)) })
        return try CheckedMapping(body, isImage ? ImageLanguage.image : ImageLanguage.featureSet)
    }

    /// Refuses a use that the visibility doesn't allow.
    func require(visibleTo user: Label, at place: ManifestError.Place) throws(ManifestError) {
        guard let visibility, user.folder != label.folder, !visibility.includes(user) else { return }
        throw ManifestError(
            place, "\(label) can't be used by \(user.plain): its visibility, at \(visibility.place), doesn't include it")
    }
}
