import Linux
public import SendStream

extension Pool {
    /// Writes the canonical stream of a layer against another layer of the pool, or against nothing. The same two layers give
    /// the same bytes on any pool.
    ///
    /// - Parameter readsEverything: whether data that both have at the same place of the disk is read and compared all the
    ///   same, to prove that leaving it out is right. The stream is the same.
    public func writeStream<Sink: ByteSink>(
        of layer: LayerID, against base: LayerID?, to sink: inout Sink, readsEverything: Bool = false
    ) throws {
        try writeStream(of: layer, against: base, to: &sink, note: nil, readsEverything: readsEverything)
    }

    /// Writes an image as a file that has everything a pool needs: a stream for each layer of its stack, the base first, each
    /// with its description.
    ///
    /// - Parameters:
    ///   - receiver: an image that the receiver has: what its stack has is left out, and layers built for the same
    ///     target are sent against each other.
    ///   - reference: what it was asked for by. Where that is a name, or its label can be none, the receiver learns what it is called.
    public func writeImage<Sink: ByteSink>(
        _ layer: LayerID, called reference: String? = nil, toReceiverWith receiver: LayerID?, to sink: inout Sink,
        readsEverything: Bool = false
    ) throws {
        let there = try receiver.map { try stack($0) } ?? []
        var descriptions = try stack(layer).reversed().filter { layer in !there.contains { $0.id == layer.id } }.map { layer in
            LayerDescription(
                id: layer.id, base: there.first { $0.label == layer.label }?.id ?? layer.parent, parent: layer.parent,
                label: layer.label, created: layer.created)
        }
        if descriptions.last?.id == layer {
            descriptions[descriptions.count - 1].name = try sentName(layer, descriptions[descriptions.count - 1].label, reference)
        }
        // Before the first of them is written.
        for description in descriptions { try requireReceivable(tree(of: description.id), description.id, description.base) }
        for description in descriptions {
            try writeStream(
                of: description.id, against: description.base, to: &sink, note: Array(try StateFile.encode(description)),
                readsEverything: readsEverything)
        }
    }

    /// Nil where the label does: an image that is asked for by it is the same bytes on any pool, whatever it is called there too.
    private func sentName(_ layer: LayerID, _ label: String, _ reference: String?) throws -> String? {
        let names = try allNames().filter { $0.value == layer }.keys
        if let reference, names.contains(reference) { return reference == label ? nil : reference }
        return Self.isName(label) ? nil : names.min()
    }

    private func requireReceivable(_ tree: Tree, _ layer: LayerID, _ base: LayerID?) throws {
        try tree.requireReceivable(
            against: base.map { try self.tree(of: $0) }, "the layer \(layer.short)",
            remedy: "build or import it again, which leaves such nodes out, and send that")
    }

    private func writeStream<Sink: ByteSink>(
        of layer: LayerID, against base: LayerID?, to sink: inout Sink, note: [UInt8]?, readsEverything: Bool
    ) throws {
        typealias Side = CanonicalStream<Sink>.Side
        let tree = try tree(of: layer)
        try requireReceivable(tree, layer, base)
        let new = try Side(layer, tree, root: root(of: layer))
        let old = try base.map { try Side($0, self.tree(of: $0), root: root(of: $0)) }
        let stream = CanonicalStream(sink, new: new, old: old, proves: readsEverything)
        sink = try stream.write(note: note)
    }
}
