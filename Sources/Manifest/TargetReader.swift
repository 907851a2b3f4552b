import Spec

/// Makes images of definitions: gives parameters their values and brings in what the feature sets hold.
public struct TargetReader {
    /// The definition with a label, wanted by the text at a place: "image" or "feature set".
    public typealias Lookup = (_ label: Label, _ place: ManifestError.Place?, _ what: String) throws -> Definition

    private let lookup: Lookup

    public init(lookup: @escaping Lookup) {
        self.lookup = lookup
    }

    /// - Parameters:
    ///   - label: the image's, perhaps with values of parameters.
    ///   - user: who uses it, as parent or to take something from it, and where; nil when a person asks.
    /// - Throws: `ManifestError`, and what the look-up throws.
    public func image(_ label: Label, for user: (label: Label, place: ManifestError.Place)? = nil) throws -> ImageTarget {
        let definition = try lookup(label, user?.place, "image")
        let place = user?.place ?? definition.place
        guard definition.isImage else {
            throw ManifestError(
                place, "\(label.plain), defined at \(definition.place), is a feature set, not an image; put it under 'use'")
        }
        if let user { try definition.require(visibleTo: user.label, at: user.place) }
        let mapping = try definition.checked(label.arguments, at: place)
        let full = Label(
            folder: label.folder, name: label.name, arguments: definition.parameters.chosen(label.arguments))
        let context = FeatureContext(folder: label.folder)
        var used: Set<Label> = []
        let features = try features(mapping, of: full, context, above: [definition], used: &used)
        return ImageTarget(
            label: full, place: definition.place, origin: try origin(mapping, context),
            features: try FeatureOrder.arrange(features),
            sizeBudget: mapping.located("size_budget").map { Located(ByteCount($0.value)?.bytes ?? 0, at: $0.place) },
            tests: try ImageTest.tests(mapping, of: full, hasParent: mapping["parent"] != nil))
    }

    /// Those of the sets it uses first.
    private func features(
        _ mapping: CheckedMapping, of user: Label, _ context: FeatureContext, above: [Definition], used: inout Set<Label>
    ) throws -> [Feature] {
        var features: [Feature] = []
        for use in mapping.texts("use") {
            let label = context.label(use)
            let definition = try lookup(label.value, label.place, "feature set")
            guard !definition.isImage else {
                throw ManifestError(
                    label.place,
                    "\(label.value.plain), defined at \(definition.place), is an image, not a feature set; make it the 'parent'")
            }
            if let start = above.firstIndex(where: { $0.label == definition.label }) {
                let names = (above[start...].map(\.label) + [definition.label]).map(\.description)
                throw ManifestError(label.place, "the feature sets use each other: \(names.joined(separator: " -> "))")
            }
            try definition.require(visibleTo: user, at: label.place)
            // A set that several use counts once.
            let values = definition.parameters.chosen(label.value.arguments)
            let full = Label(folder: definition.label.folder, name: definition.label.name, arguments: values)
            guard used.insert(full).inserted else { continue }
            let inner = try definition.checked(label.value.arguments, at: label.place)
            features += try self.features(
                inner, of: definition.label, FeatureContext(folder: definition.label.folder), above: above + [definition],
                used: &used)
        }
        return features + (try FeatureKeys.features(mapping, context))
    }

    private func origin(_ mapping: CheckedMapping, _ context: FeatureContext) throws -> ImageTarget.Origin {
        if let base = try Base(mapping, context) { return .base(base) }
        let parent = context.label(mapping.located("parent") ?? Located("", at: mapping.place))
        return .parent(parent.value, parent.place)
    }
}
