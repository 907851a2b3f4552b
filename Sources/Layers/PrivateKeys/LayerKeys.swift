import Linux

extension Pool {
    /// The private keys that a build put into a layer, as it found them; empty for a layer that others made.
    public func privateKeys(of id: LayerID) throws -> [PrivateKey] {
        let path = keyFile(of: id)
        return Files.exists(path) ? try StateFile.read([PrivateKey].self, path) : []
    }

    /// Notes them beside the layer, where later builds find them without a search.
    public func note(_ keys: [PrivateKey], in id: LayerID) throws {
        let path = keyFile(of: id)
        if !keys.isEmpty || Files.exists(path) { try StateFile.write(keys, path, durable: false) }
    }

    private func keyFile(of id: LayerID) -> String { "\(layers)/\(id.hex)/keys.json" }
}
