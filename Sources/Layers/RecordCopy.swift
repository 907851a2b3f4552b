import Glibc
import Linux

/// The copy of a record, beside it: what a repair writes again when the record itself can't be read.
extension StateFile {
    static func copy(of path: String) -> String { "\(path).copy" }

    /// Writes a record and its copy. Where there is no room for the copy there is none: an older one is another record.
    static func writeWithCopy(_ value: some Encodable, _ path: String, durable: Bool = true, syncsName: Bool = true) throws {
        let bytes = try encode(value)
        try Files.replace(path, with: bytes, durable: durable, syncsName: syncsName)
        do {
            try Files.replace(copy(of: path), with: bytes, durable: false)
        } catch {
            guard Pool.isOutOfRoom(error) else { throw error }
            unlink(copy(of: path))
        }
    }

    /// What a record's copy says; nil where there is none that can be read.
    static func readCopy<Value: Decodable>(_ type: Value.Type, _ path: String) -> Value? {
        try? read(type, copy(of: path))
    }

    /// Writes a copy where it isn't what a sound record says.
    static func keepCopy<Value: Decodable>(_ type: Value.Type, _ path: String) throws {
        guard let bytes = try? Files.read(path), (try? read(type, path)) != nil else { return }
        if let copied = try? Files.read(copy(of: path)), copied == bytes { return }
        try Files.replace(copy(of: path), with: bytes, durable: false)
    }
}

extension Pool {
    /// A layer's record or, where that can't be read, its copy.
    func recordOrCopy(of id: LayerID) throws -> Layer? {
        let path = "\(layers)/\(id.hex)/layer.json"
        let layer = (try? StateFile.read(Layer.self, path)) ?? StateFile.readCopy(Layer.self, path)
        return layer?.id == id ? layer : nil
    }

    func keepCopy(of id: LayerID) throws {
        try StateFile.keepCopy(Layer.self, "\(layers)/\(id.hex)/layer.json")
    }

    /// Writes copies of the records of layers, volumes and snapshots where they are missing, and how layers are: of those made by earlier
    /// versions there are none.
    public func keepCopies() throws {
        try ifThereIsRoom {
            for id in try Files.list(layers).compactMap({ LayerID($0) }) where Files.isDirectory("\(layers)/\(id.hex)") {
                try Cancellation.check()
                try keepCopy(of: id)
                try notePublishedIfUnknown(id)
            }
            guard Files.isDirectory(volumes) else { return }
            for name in try Files.list(volumes).filter({ Volume.isName($0) }) where Files.isDirectory(directory(ofVolume: name)) {
                try Cancellation.check()
                try StateFile.keepCopy(Volume.self, "\(directory(ofVolume: name))/volume.json")
                let snapshots = "\(directory(ofVolume: name))/snapshots"
                guard Files.isDirectory(snapshots) else { continue }
                for snapshot in try Files.list(snapshots).filter({ Volume.isName($0) })
                where Files.isDirectory(directory(ofSnapshot: snapshot, of: name)) {
                    try StateFile.keepCopy(VolumeSnapshot.self, "\(directory(ofSnapshot: snapshot, of: name))/snapshot.json")
                }
            }
        }
    }
}
