import Spec

/// What may be chosen when an image or feature set is used.
struct Parameters: Sendable {
    struct Parameter: Sendable {
        let name: String
        /// Nil: it must be given.
        let standard: String?
        let place: ManifestError.Place
    }

    let all: [Parameter]

    static let key = KeySchema(
        "parameters", .list(of: .mapping(schema)), default: "none",
        "Texts that are chosen by who uses it, as in `//folder:name[key=value]`. `${name}` stands for the value in any text of it, `$${` for `${`."
    )

    static let schema = MappingSchema(
        "a parameter", title: "parameters", shorthand: "name",
        [
            KeySchema("name", .text(.parameterName), required: true, "Its name."),
            KeySchema("default", .text(.any), default: "it must be given", "Its value when none is given."),
        ])

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        var all: [Parameter] = []
        for entry in try mapping.mappings(Self.key.name) {
            let name = entry.text("name") ?? ""
            if let other = all.first(where: { $0.name == name }) {
                throw ManifestError(entry.place, "the parameter '\(name)' is declared twice; the first time at \(other.place)")
            }
            if let standard = entry["default"], !standard.text.isEmpty, !Label.isValue(standard.text) {
                throw standard.fail(
                    "'\(standard.text)' can't be a parameter's value: labels hold it, so it has no blanks, ',', '[', ']' or quotes"
                )
            }
            all.append(Parameter(name: name, standard: entry.text("default"), place: entry.place))
        }
        self.all = all
    }

    /// The value of each.
    ///
    /// - Parameter place: where they are given.
    func values(
        _ arguments: [String: String], of label: Label, at place: ManifestError.Place
    ) throws(ManifestError) -> [String: String] {
        let names = all.map(\.name)
        for name in arguments.keys.sorted() where !names.contains(name) {
            let known = names.isEmpty ? "it has none" : "it has \(names.joined(separator: ", "))"
            throw ManifestError(place, "\(label.plain) has no parameter '\(name)'; \(known)")
        }
        var values: [String: String] = [:]
        for parameter in all {
            guard let value = arguments[parameter.name] ?? parameter.standard else {
                throw ManifestError(
                    place,
                    "\(label.plain) needs a value for '\(parameter.name)' (declared at \(parameter.place)); write \(label.plain)[\(parameter.name)=VALUE]"
                )
            }
            values[parameter.name] = value
        }
        return values
    }

    /// The values that are not what they would be anyway.
    func chosen(_ arguments: [String: String]) -> [String: String] {
        arguments.filter { argument in all.first { $0.name == argument.key }?.standard != argument.value }
    }
}

extension YAMLNode {
    /// This value with `${name}` replaced in all its texts.
    func substituting(_ values: [String: String]) -> YAMLNode {
        guard !values.isEmpty else { return self }
        var node = self
        switch content {
        case .scalar(let text, let isPlain):
            node.content = .scalar(Substitution.apply(values, to: text, unknown: { _ in nil }), isPlain: isPlain)
        case .list(let entries): node.content = .list(entries.map { $0.substituting(values) })
        case .mapping(let entries):
            node.content = .mapping(entries.map { (key: $0.key, value: $0.value.substituting(values)) })
        }
        return node
    }
}
