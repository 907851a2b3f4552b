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
    /// - Parameter receiver: an image that the receiver has: what its stack has is left out, and layers built for the same
    ///   target are sent against each other.
    public func writeImage<Sink: ByteSink>(
        _ layer: LayerID, toReceiverWith receiver: LayerID?, to sink: inout Sink, readsEverything: Bool = false
    ) throws {
        let there = try receiver.map { try stack($0) } ?? []
        for layer in try stack(layer).reversed() where !there.contains(where: { $0.id == layer.id }) {
            let base = there.first { $0.label == layer.label }?.id ?? layer.parent
            let description = LayerDescription(
                id: layer.id, base: base, parent: layer.parent, label: layer.label, created: layer.created)
            try writeStream(
                of: layer.id, against: base, to: &sink, note: Array(try StateFile.encode(description)),
                readsEverything: readsEverything)
        }
    }

    private func writeStream<Sink: ByteSink>(
        of layer: LayerID, against base: LayerID?, to sink: inout Sink, note: [UInt8]?, readsEverything: Bool
    ) throws {
        typealias Side = CanonicalStream<Sink>.Side
        let new = try Side(layer, tree(of: layer), root: root(of: layer))
        let old = try base.map { try Side($0, tree(of: $0), root: root(of: $0)) }
        let stream = CanonicalStream(sink, new: new, old: old, proves: readsEverything)
        sink = try stream.write(note: note)
    }
}
