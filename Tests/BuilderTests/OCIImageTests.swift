import Fixtures
import Glibc
import Linux
import Manifest
import OCI
import Testing

@testable import Builder

@Suite struct OCIImageTests {
    /// A layout in a workspace of somebody else: opening a pipe would wait for whoever writes to it.
    @Test(.timeLimit(.minutes(1))) func aBlobThatIsNoFileIsNotWaitedFor() async throws {
        let folder = try Scratch.make("layout")
        defer { try? Files.removeTree(folder) }
        let layout = try Layout(creating: folder)
        let digest = BlobDigest(of: [1, 2, 3])
        let config = try layout.add(
            Array(#"{"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}"#.utf8),
            mediaType: "application/vnd.oci.image.config.v1+json")
        func json(_ type: String, _ digest: BlobDigest, _ size: UInt64) -> String {
            #"{"mediaType": "application/vnd.oci.image.\#(type)", "digest": "\#(digest)", "size": \#(size)}"#
        }
        let manifest = try layout.add(
            Array(
                #"{"schemaVersion": 2, "config": \#(json("config.v1+json", config.digest, config.size)), "layers": [\#(json("layer.v1.tar", digest, 3))]}"#
                    .utf8), mediaType: "application/vnd.oci.image.manifest.v1+json")
        try Files.replace(
            "\(folder)/index.json",
            with: #"{"schemaVersion": 2, "manifests": [\#(json("manifest.v1+json", manifest.digest, manifest.size))]}"#.utf8,
            durable: false)
        #expect(mkfifo(layout.path(of: digest), 0o600) == 0)
        let image = try OCIImage(layout: folder, reference: nil, at: .init(file: "dish.yaml", line: 1, column: 1))
        let layer = try #require(image.layers.first)
        let error = await #expect(throws: BuildError.self) { _ = try await image.apply(layer, to: folder) }
        #expect(error?.description.contains("no regular file") == true, "\(error?.description ?? "")")
    }
}
