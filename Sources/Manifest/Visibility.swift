/// From where an image or feature set may be used.
public struct Visibility: Sendable, Equatable {
    enum Pattern: Sendable, Equatable {
        /// A folder and those below it.
        case below(String)
        case label(Label)

        init?(_ text: String) {
            if text.hasSuffix("/..."), text.hasPrefix("//") {
                let folder = text == "//..." ? "" : text.dropFirst(2).dropLast(4)
                guard Label.isFolder(folder), text == "//..." || !folder.isEmpty else { return nil }
                self = .below(String(folder))
            } else if let label = Label(text), label.arguments.isEmpty {
                self = .label(label)
            } else {
                return nil
            }
        }

        func matches(_ user: Label) -> Bool {
            switch self {
            case .below(let folder): folder.isEmpty || user.folder == folder || user.folder.hasPrefix(folder + "/")
            case .label(let label): user.plain == label
            }
        }
    }

    let patterns: [Located<String>]
    let place: ManifestError.Place

    static let key = KeySchema(
        "visibility", .list(of: .text(.visibility)), default: "everybody",
        "Who may use it beside its own folder: `//folder/...` for a folder and those below, or a label.")

    /// Nil: everybody.
    init?(_ mapping: CheckedMapping) {
        guard mapping["visibility"] != nil else { return nil }
        patterns = mapping.texts("visibility")
        place = mapping.place(of: "visibility")
    }

    func includes(_ user: Label) -> Bool { patterns.contains { Pattern($0.value)?.matches(user) ?? false } }
}
