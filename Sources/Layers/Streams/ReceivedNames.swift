/// What an image that comes as a file is called here: the receiver decides, not the file.
public enum ReceivedNames: Sendable {
    /// Nothing.
    case none
    /// One name for the image, which another layer loses.
    case name(String)
    /// The name in the file of each of its layers.
    ///
    /// - Parameter replacing: whether other layers lose theirs. Else a name that one has is refused.
    case fromFile(replacing: Bool)
}

/// How received names are given.
struct ReceivedNaming {
    let names: ReceivedNames
    /// Throws for a name that may not be given.
    let check: (String) throws -> Void

    /// Refuses a layer's name before anything of the layer is made.
    func require(_ description: LayerDescription, in pool: Pool) throws {
        switch names {
        case .none: return
        case .name(let name):
            try Pool.requireName(name)
            try check(name)
        case .fromFile(let replacing):
            for name in Self.names(of: description) {
                try check(name)
                if !replacing { try pool.requireFree(name, for: description.id) }
            }
        }
    }

    func give(to description: LayerDescription, in pool: Pool) throws {
        guard case .fromFile = names else { return }
        for name in Self.names(of: description) { try pool.name(name, description.id) }
    }

    /// Labels of layers that were imported have blanks: they are for people.
    private static func names(of description: LayerDescription) -> [String] {
        [description.label, description.name].compactMap { $0 }.filter { Pool.isName($0) }
    }

    func give(to image: LayerID?, in pool: Pool) throws {
        guard case .name(let name) = names, let image else { return }
        try pool.name(name, image)
    }
}

extension Pool {
    /// - Throws: `PoolError` `.inUse` when another layer has a name.
    public func requireFree(_ name: String, for layer: LayerID) throws {
        guard let other = try allNames()[name], other != layer else { return }
        throw PoolError(
            .inUse,
            "the file calls the layer \(layer.short) '\(name)', which is the name of the layer \(other.short) here; choose another, or take it away from that one by force",
            settings: ["name", "force"])
    }
}
