import Crypto
import Glibc
import Layers
import Linux

/// A directory in OCI image layout (image-spec, image-layout.md).
public struct Layout: Sendable {
    /// The directory.
    public let path: String

    private struct Marker: Codable {
        var imageLayoutVersion = "1.0.0"
    }

    /// Opens one.
    ///
    /// - Throws: `OCIError` `.notFound`.
    public init(at path: String) throws {
        guard Files.exists("\(path)/index.json") else {
            throw OCIError(.notFound, "'\(path)' is no OCI layout: it has no index.json")
        }
        self.path = path
    }

    /// Opens one, making it where there is none.
    public init(creating path: String) throws {
        try Files.makeDirectories("\(path)/blobs/sha256")
        if !Files.exists("\(path)/oci-layout") {
            try Files.replace("\(path)/oci-layout", with: OCIJSON.encode(Marker()), durable: false)
        }
        if !Files.exists("\(path)/index.json") {
            try Files.replace("\(path)/index.json", with: OCIJSON.encode(Index(manifests: [])), durable: false)
        }
        self.path = path
    }

    /// All images, named or not.
    public func index() throws -> Index {
        try OCIJSON.decode(Index.self, try BlobFile.read("\(path)/index.json"), "'\(path)/index.json'")
    }

    /// The image with a name; with nil, the only one.
    public func find(_ name: String?) throws -> Descriptor {
        let manifests = try index().manifests
        func nameOf(_ descriptor: Descriptor) -> String? { descriptor.annotations?[Descriptor.nameAnnotation] }
        let matching = manifests.filter { name == nil || nameOf($0) == name }
        let names = manifests.compactMap(nameOf)
        guard let first = matching.first else {
            throw OCIError(
                .notFound,
                "there is no image '\(name ?? "")' in '\(path)'; it has \(names.isEmpty ? "none with a name" : names.joined(separator: ", "))"
            )
        }
        // The same image for several processors.
        if matching.count > 1, matching.allSatisfy({ $0.platform?.isEmpty == false }), Set(matching.map(nameOf)).count == 1 {
            return try Index(manifests: matching).manifest(of: name ?? path)
        }
        guard matching.count == 1 || name != nil else {
            throw OCIError(
                .notFound, "'\(path)' has \(manifests.count) images; name one of them: \(names.joined(separator: ", "))")
        }
        return first
    }

    /// Where a blob is.
    public func path(of digest: BlobDigest) -> String { "\(path)/blobs/sha256/\(digest.hex)" }

    /// A small blob, checked.
    public func read(_ descriptor: Descriptor) throws -> [UInt8] {
        let path = path(of: descriptor.digest)
        guard Files.exists(path) else { throw OCIError(.notFound, "there is no blob \(descriptor.digest) in '\(self.path)'") }
        let bytes = try BlobFile.read(path)
        guard BlobDigest(of: bytes) == descriptor.digest else {
            throw OCIError(.damaged, "'\(path)' doesn't have the digest it is named by; the layout is damaged")
        }
        return bytes
    }

    /// A descriptor of a manifest, with the media type that the manifest's bytes have, whatever was said of them.
    public func typed(_ descriptor: Descriptor) throws -> Descriptor {
        var typed = descriptor
        typed.mediaType = try ManifestShape.mediaType(
            of: read(descriptor), said: descriptor.mediaType, "the manifest \(descriptor.digest.short) in '\(path)'")
        return typed
    }

    /// Stores a small blob.
    public func add(_ bytes: [UInt8], mediaType: String) throws -> Descriptor {
        let descriptor = Descriptor(mediaType: mediaType, of: bytes)
        let path = path(of: descriptor.digest)
        if !Files.exists(path) { try Files.replace(path, with: bytes, durable: false) }
        return descriptor
    }

    /// A place in the layout's directory for a blob that isn't complete.
    public func unfinishedPath() -> String { "\(path)/blobs/sha256/.\(getpid()).\(UInt32.random(in: 0 ... .max)).new" }

    /// Gives a name to a manifest that is stored, taking it from another.
    public func name(_ descriptor: Descriptor, _ name: String?) throws {
        // Another program may be adding something at the same time.
        let lock = try FileLock(waitingFor: "\(path)/index.json.lock")
        var index = try index()
        var descriptor = descriptor
        if let name {
            descriptor.annotations = (descriptor.annotations ?? [:]).merging([Descriptor.nameAnnotation: name]) { $1 }
            index.manifests.removeAll { $0.annotations?[Descriptor.nameAnnotation] == name }
        }
        index.manifests.removeAll { $0.digest == descriptor.digest && $0.annotations?[Descriptor.nameAnnotation] == name }
        index.manifests.append(descriptor)
        try Files.replace("\(path)/index.json", with: OCIJSON.encode(index))
        // While it is held: afterwards it may be another's.
        unlink("\(path)/index.json.lock")
        _ = consume lock
    }
}
