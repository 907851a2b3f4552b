/// What `layer.json` says of a layer. Written once, never changed.
public struct Layer: Sendable, Codable, Equatable {
    public let id: LayerID
    /// The layer it was built on; nil for a base.
    public let parent: LayerID?
    /// The target it was first built for: `//web:app`.
    public let label: String
    /// When it was built, in seconds since 1970.
    public let created: Int64
    /// Files of all types, the whole stack counted.
    public let entries: Int
    /// Bytes of all regular files, the whole stack counted.
    public let size: Int64
    /// The layer with the same parent in which its packages had been installed, which it was made from; nil for one
    /// that was made from its parent. What it shares with that layer is billed there.
    public let packages: LayerID?

    /// A label that every pool and registry takes: up to 500 bytes, with `?` for what acts on terminals. Labels come from names
    /// of files and subvolumes, too, which may have anything in them.
    public static func label(_ text: String) -> String {
        var label = ""
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 32 || (127..<160).contains(scalar.value)
            let next = isControl ? "?" : scalar
            guard label.utf8.count + UTF8.width(next) <= 500 else { break }
            label.unicodeScalars.append(next)
        }
        return label
    }

    public init(
        id: LayerID, parent: LayerID?, label: String, created: Int64, entries: Int, size: Int64, packages: LayerID? = nil
    ) {
        self.id = id
        self.parent = parent
        self.label = label
        self.created = created
        self.entries = entries
        self.size = size
        self.packages = packages
    }

    /// What follows a target's label in the label of a layer that holds only its packages.
    public static let packagesMark = "+packages"

    /// Whether it holds only the packages of the target it was first built for.
    public var isForPackages: Bool { label.hasSuffix(Self.packagesMark) }
}
