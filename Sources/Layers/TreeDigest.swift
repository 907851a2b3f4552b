/// The identity of a tree (docs/layer-format.md) and what it holds.
public struct TreeDigest: Sendable, Equatable {
    public let id: LayerID
    /// Nodes of all types, the root included.
    public let entries: Int
    /// Bytes of all regular files, each counted once.
    public let size: Int64

    public init(_ tree: Tree) {
        var encoder = TreeEncoder(tree)
        id = encoder.layerID()
        entries = tree.count
        size = encoder.size
    }

    /// Reads a whole tree that nobody changes meanwhile; see `Tree.init(of:latestTime:)`.
    public init(of root: String, latestTime: Int64? = nil) throws {
        self.init(try Tree(of: root, latestTime: latestTime))
    }
}
