/// The identity of a tree (docs/layer-format.md) and what it holds.
public struct TreeDigest: Sendable, Equatable {
    public let id: LayerID
    /// Nodes of all types, the root included.
    public let entries: Int
    /// Bytes of all regular files, each counted once.
    public let size: Int64

    /// Reads a whole tree that nobody changes meanwhile. File content is read on all processors.
    ///
    /// - Parameter latestTime: seconds since 1970; a later modification time is first set to it on
    ///   disk. Nil leaves all as they are.
    public init(of root: String, latestTime: Int64? = nil) throws {
        let tree = try TreeWalk(root, latestTime: latestTime)
        let contents = try tree.hashContents()
        var encoder = TreeEncoder(tree: tree, contents: contents)
        id = encoder.layerID()
        entries = tree.nodes.count
        size = tree.size
    }
}
