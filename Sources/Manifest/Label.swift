/// A target's name in a workspace: `//folder/of/file:name`, or `//:name` for the file at its root.
public struct Label: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The folder's path from the workspace's root, without slashes at its ends; empty for the root.
    public let folder: String
    public let name: String

    public init(folder: String, name: String) {
        self.folder = folder
        self.name = name
    }

    /// Reads `//folder:name`, or `:name` for a target of the folder given.
    ///
    /// Nil when it has another form, or a part with other characters than letters, digits, `.`, `_`, `-`.
    public init?(_ text: String, in folder: String? = nil) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let name = String(text[text.index(after: colon)...])
        let prefix = text[..<colon]
        guard Self.isName(name) else { return nil }
        if prefix.isEmpty {
            guard let folder else { return nil }
            self.init(folder: folder, name: name)
            return
        }
        guard prefix.hasPrefix("//") else { return nil }
        let path = prefix.dropFirst(2)
        guard path.isEmpty || path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy({ Self.isName(String($0)) })
        else { return nil }
        self.init(folder: String(path), name: name)
    }

    public var description: String { "//\(folder):\(name)" }

    public static func < (left: Label, right: Label) -> Bool {
        (left.folder, left.name) < (right.folder, right.name)
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
