/// A target's name in a workspace: `//folder/of/file:name`, or `//:name` for the file at its root.
///
/// A target with parameters is named together with their values: `//os:base[suite=bookworm,tools=yes]`.
public struct Label: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The folder's path from the workspace's root, without slashes at its ends; empty for the root.
    public let folder: String
    public let name: String
    /// Values of parameters, by name.
    public let arguments: [String: String]

    public init(folder: String, name: String, arguments: [String: String] = [:]) {
        self.folder = folder
        self.name = name
        self.arguments = arguments
    }

    /// Reads `//folder:name`, or `:name` for a target of the folder given, with or without `[parameter=value,…]`.
    ///
    /// Nil when it has another form, or a part with other characters than letters, digits, `.`, `_`, `-`. A
    /// parameter's value may have all but `,`, `[`, `]`, quotes and what isn't printable.
    public init?(_ text: String, in folder: String? = nil) {
        var text = text[...]
        var arguments: [String: String] = [:]
        if text.last == "]" {
            guard let open = text.firstIndex(of: "["), let values = Self.arguments(text[text.index(after: open)...].dropLast())
            else { return nil }
            arguments = values
            text = text[..<open]
        }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let name = String(text[text.index(after: colon)...])
        let prefix = text[..<colon]
        guard Self.isName(name) else { return nil }
        if prefix.isEmpty {
            guard let folder else { return nil }
            self.init(folder: folder, name: name, arguments: arguments)
            return
        }
        guard prefix.hasPrefix("//"), Self.isFolder(prefix.dropFirst(2)) else { return nil }
        self.init(folder: String(prefix.dropFirst(2)), name: name, arguments: arguments)
    }

    /// The label without values of parameters.
    public var plain: Label { Label(folder: folder, name: name) }

    public var description: String {
        guard !arguments.isEmpty else { return "//\(folder):\(name)" }
        let values = arguments.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return "//\(folder):\(name)[\(values.joined(separator: ","))]"
    }

    public static func < (left: Label, right: Label) -> Bool {
        (left.folder, left.name, left.description) < (right.folder, right.name, right.description)
    }

    private static func arguments(_ text: Substring) -> [String: String]? {
        var values: [String: String] = [:]
        for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let equals = pair.firstIndex(of: "=") else { return nil }
            let (name, value) = (String(pair[..<equals]), String(pair[pair.index(after: equals)...]))
            guard isName(name), isValue(value), values.updateValue(value, forKey: name) == nil else { return nil }
        }
        return values
    }

    /// What may be a parameter's value in a label.
    static func isValue(_ text: String) -> Bool {
        text.utf8.count <= 100 && text.utf8.allSatisfy { $0 > 32 && $0 < 127 && !",[]'\"".utf8.contains($0) }
    }

    /// A folder's path from the workspace's root; empty for the root itself.
    static func isFolder(_ path: Substring) -> Bool {
        path.isEmpty || path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { isName(String($0)) }
    }

    static func isName(_ text: String) -> Bool {
        !text.isEmpty && text != "." && text != ".." && text.utf8.count <= 100
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
