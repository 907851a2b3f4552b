import Glibc
import Linux
public import OCI

/// A directory in OCI layout, as a place that packages are pushed to and pulled from.
public struct LayoutRepository: Repository {
    private let layout: Layout

    public var name: String { "'\(layout.path)'" }

    /// - Parameter creating: whether it is made where there is none.
    public init(_ path: String, creating: Bool) throws {
        layout = creating ? try Layout(creating: path) : try Layout(at: path)
    }

    public func manifest(_ reference: String) throws -> (descriptor: Descriptor, bytes: [UInt8])? {
        let descriptor: Descriptor
        if reference.hasPrefix("sha256:") {
            let digest = try BlobDigest(reference)
            guard Files.exists(layout.path(of: digest)) else { return nil }
            let listed = try layout.index().manifests.first { $0.digest == digest }
            descriptor = listed ?? Descriptor(mediaType: MediaType.manifest, digest: digest, size: 0)
        } else {
            let named = try layout.index().manifests.first { $0.annotations?[Descriptor.nameAnnotation] == reference }
            guard let named else { return nil }
            descriptor = named
        }
        return (try layout.typed(descriptor), try layout.read(descriptor))
    }

    public func fetch(
        _ blob: Descriptor, into cache: BlobCache, progress: @escaping @Sendable (Int) -> Void
    ) async throws -> String {
        let lock = try await cache.lock(blob.digest)
        defer { _ = lock }
        let (source, target) = (layout.path(of: blob.digest), cache.path(of: blob.digest))
        if Files.exists(target) {
            progress(Int(blob.size))
            return target
        }
        return try await blocking {
            guard Files.exists(source) else {
                throw RegistryError(.notFound, "there is no blob \(blob.digest) in \(name)")
            }
            let file = try BlobFile(source)
            let partial = try PartialBlob(blob, in: cache)
            try partial.restart()
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 4096)
            defer { buffer.deallocate() }
            let number = file.descriptor.number
            while true {
                try Cancellation.check()
                let count = try retryingInterrupts("read", source) { Glibc.read(number, buffer.baseAddress, buffer.count) }
                if count == 0 { break }
                try partial.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                progress(count)
            }
            guard partial.isWhole, try partial.finish() else {
                throw RegistryError(.damaged, "'\(source)' isn't what its digest says; the layout is damaged")
            }
            return target
        }
    }

    public func bytes(of blob: Descriptor) throws -> [UInt8] { try layout.read(blob) }

    public func has(_ blob: BlobDigest) -> Bool { Files.exists(layout.path(of: blob)) }

    public func store(
        _ blob: Descriptor, from file: String, progress: @escaping @Sendable (Int) -> Void
    ) async throws {
        let target = layout.path(of: blob.digest)
        if Files.exists(target) { return }
        let unfinished = layout.unfinishedPath()
        let copied = try await Command("/bin/cp", Arguments().option("reflink", "auto").end(file, unfinished)).run()
        guard copied.status.isSuccess else { throw RegistryError(.program, "copy to '\(target)': \(copied.errorText)") }
        try retryingInterrupts("rename", unfinished) { rename(unfinished, target) }
        progress(Int(blob.size))
    }

    public func store(manifest bytes: [UInt8], mediaType: String, tag: String?) throws {
        let descriptor = try layout.add(bytes, mediaType: mediaType)
        try layout.name(descriptor, tag)
    }

    public func referrers(of digest: BlobDigest, artifactType: String) async throws -> [Descriptor] {
        try await listedReferrers(of: digest).filter { $0.artifactType == artifactType }
    }
}
