import Glibc
import Layers
import Linux
import OCI
import Testing

@testable import Registry

/// Manifests and configs that lie, or want too much: each is an error, and nothing of what they name is taken for what it isn't.
@Suite final class HostileManifestTests {
    private let directory: String
    private let layout: Layout
    private let repository: LayoutRepository
    private let cache: BlobCache

    init() throws {
        var template = Array("/tmp/dish-manifest-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        layout = try Layout(creating: "\(directory)/layout")
        repository = try LayoutRepository(layout.path, creating: false)
        cache = try BlobCache(directory: "\(directory)/blobs")
    }

    deinit { try? Files.removeTree(directory) }

    private static let hex = String(repeating: "ab", count: 32)

    private func store(_ text: String, as mediaType: String = MediaType.manifest, named: Bool = true) throws -> Descriptor {
        let descriptor = try layout.add(Array(text.utf8), mediaType: mediaType)
        if named { try layout.name(descriptor, "app") }
        return descriptor
    }

    private func json(_ descriptor: Descriptor) throws -> String {
        String(decoding: try OCIJSON.encode(descriptor), as: UTF8.self)
    }

    /// A package's manifest of one layer, with its parts as given.
    private func package(
        layer: String? = nil, layers: String? = nil, config: String? = nil, type: String = Package.artifactType
    ) throws -> String {
        let plain = #"{"version": 1, "layers": [{"id": "\#(Self.hex)", "label": "//a:b", "entries": 1, "size": 1}]}"#
        let stored = try store(config ?? plain, as: Package.configType, named: false)
        let one = layer ?? #"{"mediaType": "\#(Package.streamType)", "digest": "sha256:\#(Self.hex)", "size": 5}"#
        return
            #"{"schemaVersion": 2, "artifactType": "\#(type)", "config": \#(try json(stored)), "layers": [\#(layers ?? one)]}"#
    }

    private func refuses(_ word: String, _ manifest: String, as mediaType: String = MediaType.manifest) async throws {
        _ = try store(manifest, as: mediaType)
        do {
            _ = try await FoundPackage("app", in: repository)
            Issue.record("it was taken: \(manifest.prefix(300))")
        } catch {
            #expect("\(error)".contains(word) && (error is RegistryError || error is OCIError), "\(error)")
        }
    }

    @Test func whatIsRightIsTaken() async throws {
        _ = try store(package())
        #expect(try await FoundPackage("app", in: repository)?.config.layers.count == 1)
        #expect(try await FoundPackage("other", in: repository) == nil)
    }

    @Test func aLayerCountThatLiesIsRefused() async throws {
        try await refuses("has 0 layers and names 1", package(layers: ""))
        let none = #"{"version": 1, "layers": []}"#
        try await refuses("and names 0", package(config: none))
        let one = #"{"mediaType": "x", "digest": "sha256:\#(Self.hex)", "size": 5}"#
        let many = [String](repeating: one, count: 501).joined(separator: ", ")
        try await refuses("are taken at most", package(layers: many))
    }

    @Test(arguments: ["-1", "18446744073709551615", "1e30", "\"7\"", "2251799813685248", "null", "{}"])
    func aSizeThatNothingHasIsRefused(_ size: String) async throws {
        let layer = #"{"mediaType": "x", "digest": "sha256:\#(Self.hex)", "size": \#(size)}"#
        try await refuses("is not what it is called", package(layer: layer))
    }

    @Test(arguments: ["sha256:../../../../etc/passwd", "sha512:aa", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", "x"])
    func aDigestThatIsNoneIsRefused(_ digest: String) async throws {
        let layer = #"{"mediaType": "x", "digest": "\#(digest)", "size": 1}"#
        try await refuses("is not the SHA-256 of a blob", package(layer: layer))
    }

    @Test func mediaTypesThatLieAreRefused() async throws {
        try await refuses("of another kind", package(type: "application/vnd.example"))
        try await refuses("of another kind", #"{"schemaVersion": 2, "manifests": []}"#)
        try await refuses("one image for some programs", #"{"schemaVersion": 2, "manifests": [], "layers": []}"#)
        // What it says itself counts more than what is said of it.
        _ = try store(package(), as: MediaType.index)
        #expect(try await FoundPackage("app", in: repository) != nil)
        try await refuses("is not what it is called", "\u{1F}\u{8B}not JSON")
        // An index that names itself ends.
        let index =
            #"{"schemaVersion": 2, "manifests": [{"mediaType": "\#(MediaType.index)", "digest": "sha256:\#(Self.hex)", "size": 1}]}"#
        _ = try store(index, as: MediaType.index)
        await #expect(throws: RegistryError.self) { try await FoundImage.find("app", in: repository, cache, name: nil) }
        // The layers of an image may be called anything; their bytes decide, when they are there.
        let config = try store(
            #"{"architecture": "\#(Descriptor.Platform.current.architecture)", "os": "linux", "rootfs": {"diff_ids": []}}"#,
            as: "text/plain", named: false)
        _ = try store(#"{"schemaVersion": 2, "config": \#(json(config)), "layers": []}"#)
        #expect(try await FoundImage.find("app", in: repository, cache, name: nil).layers.isEmpty)
    }

    @Test(arguments: [#""x""#, #"{"a": 1}"#, "[]", #"{"a": {"b": "c"}}"#])
    func annotationsThatAreNoneAreRefused(_ annotations: String) async throws {
        let layer = #"{"mediaType": "x", "digest": "sha256:\#(Self.hex)", "size": 1, "annotations": \#(annotations)}"#
        try await refuses("is not what it is called", package(layer: layer))
    }

    @Test func deltasThatPromiseTooMuchAreNotChosen() throws {
        let (from, to) = (try #require(LayerID(Self.hex)), try #require(LayerID(String(repeating: "cd", count: 32))))
        let blob = Descriptor(mediaType: Package.streamType, digest: try BlobDigest("sha256:\(Self.hex)"), size: 100)
        for size in ["-1", "x", "99999999999999999999999", "100", ""] {
            var delta = Descriptor(mediaType: MediaType.manifest, digest: try BlobDigest("sha256:\(Self.hex)"), size: 1)
            delta.annotations = [Package.fromAnnotation: from.hex, Package.toAnnotation: to.hex, Package.sizeAnnotation: size]
            let plan = PackagePlan([(id: to, blob: blob)], deltas: [delta]) { $0 == from }
            #expect(plan.steps.map(\.source) == [.stream(blob)], "\(size)")
        }
    }

    @Test func aConfigHasFourMebibytesAndNoMore() async throws {
        let start = #"{"version": 1, "layers": [{"id": "\#(Self.hex)", "label": "//a:b", "entries": 1, "size": 1}]"#
        func padded(_ count: Int) -> String { start + String(repeating: " ", count: count - start.utf8.count - 1) + "}" }
        _ = try store(package(config: padded(4 << 20)))
        #expect(try await FoundPackage("app", in: repository) != nil)
        try await refuses("belong", package(config: padded(4 << 20 + 1)))
        // One whose descriptor says that it is small.
        let large = try store(padded(5 << 20), as: Package.configType, named: false)
        let lying = #"{"mediaType": "x", "digest": "\#(large.digest)", "size": 10}"#
        let manifest = try package().replacing(/"config": \{[^}]*\}/, with: #""config": \#(lying)"#)
        try await refuses("belong", manifest)
    }

    @Test func aConfigWithAnotherDigestIsRefused() async throws {
        let manifest = try package()
        let config = try #require(manifest.firstMatch(of: /"digest":"sha256:([0-9a-f]+)"/)?.1)
        try Files.replace("\(layout.path)/blobs/sha256/\(config)", with: #"{"version": 1, "layers": []}"#.utf8, durable: false)
        try await refuses("doesn't have the digest", manifest)
    }

    @Test func deepJSONIsAnErrorAndNoCrash() async throws {
        let depth = 200_000
        try await refuses(
            "is not what it is called", String(repeating: "[", count: depth) + String(repeating: "]", count: depth))
        let nested = String(repeating: #"{"a":"#, count: depth) + "1" + String(repeating: "}", count: depth)
        try await refuses("is not what it is called", package(config: nested))
    }

    @Test func labelsThatMoveTheCursorAreRefused() async throws {
        for label in ["a\\u001b[2Jb", "a\\nb", "a\\u0000b", "a\\u009bb", String(repeating: "x", count: 501)] {
            let config = #"{"version": 1, "layers": [{"id": "\#(Self.hex)", "label": "\#(label)", "entries": 1, "size": 1}]}"#
            try await refuses("can't be shown", package(config: config))
        }
    }

    @Test func aBlobOfAnotherSizeOrDigestIsNeverWhole() async throws {
        let blob = Descriptor(mediaType: "x", of: [UInt8](repeating: 7, count: 1000))
        _ = try layout.add([UInt8](repeating: 7, count: 1000), mediaType: "x")
        var liars = [blob, blob]
        liars[0].size = 999
        liars[1].size = 1001
        for liar in liars {
            await #expect(throws: RegistryError.self) { try await repository.fetch(liar, into: cache) { _ in } }
            #expect(!Files.exists(cache.path(of: liar.digest)))
        }
        let path = try await repository.fetch(blob, into: cache) { _ in }
        #expect(try Files.read(path).count == 1000)
        cache.remove(blob.digest)
        try Files.replace(layout.path(of: blob.digest), with: [UInt8](repeating: 8, count: 1000), durable: false)
        await #expect(throws: RegistryError.self) { try await repository.fetch(blob, into: cache) { _ in } }
        #expect(!Files.exists(cache.path(of: blob.digest)))
    }
}
