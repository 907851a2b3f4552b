import Fixtures
import Layers
import Linux
import OCI
import Testing

@testable import Registry

/// Lists of a registry are read to their end.
@Suite struct ReferrerPageTests {
    private func remote(_ options: [String]) async throws -> (Remote, SmallRegistry) {
        let registry = try await SmallRegistry(options)
        var options = RegistryOptions()
        (options.isPlain, options.attempts) = (true, 1)
        return (Remote(try Reference("\(registry.host)/team/app:1"), options, store: CredentialStore(path: nil)), registry)
    }

    /// A manifest that signatures are of.
    private func store(_ remote: Remote) async throws -> BlobDigest {
        let config = Array("{}".utf8)
        try await remote.store(Descriptor(mediaType: MediaType.empty, of: config), bytes: config)
        let manifest = try OCIJSON.encode(Manifest(config: Descriptor(mediaType: MediaType.empty, of: config), layers: []))
        try await remote.store(manifest: manifest, mediaType: MediaType.manifest, tag: "1")
        return BlobDigest(of: manifest)
    }

    @Test func aSignatureIsFoundOnTheLastPage() async throws {
        let folder = try Scratch.make("keys")
        let made = try await Command(
            "/bin/sh",
            [
                "-ec",
                "cd \(folder); openssl ecparam -name prime256v1 -genkey -noout -out key.pem; openssl ec -in key.pem -pubout -out pub.pem",
            ]
        ).run()
        try #require(made.status.isSuccess, "\(made.errorText)")
        let (plain, registry) = try await remote(["referrers"])
        let digest = try await store(plain)
        #expect(try await Signing.sign("1", in: plain, key: "\(folder)/key.pem") == digest)
        // The same store, and a list of which the signature comes last. Cosign's tag would have it too.
        let paged = try await SmallRegistry(["referrers", "pages=9", "strangers=52"], storeOf: registry)
        var options = RegistryOptions()
        (options.isPlain, options.attempts) = (true, 1)
        let lists = Remote(try Reference("\(paged.host)/team/app:1"), options, store: CredentialStore(path: nil))
        let found = try await lists.referrers(of: digest, artifactType: SimpleSigning.artifactType)
        #expect(found.count == 53)
        try registry.forget("team/app", SimpleSigning.tag(of: digest))
        #expect(try await Signing.verify("1", in: lists, keys: ["\(folder)/pub.pem"]) == digest)
        withExtendedLifetime((registry, paged)) {}
    }

    @Test func aListWithoutAnEndIsRefused() async throws {
        let (remote, registry) = try await remote(["referrers", "pages=2", "strangers=5", "endless"])
        let digest = try await store(remote)
        let error = await #expect(throws: RegistryError.self) {
            _ = try await remote.referrers(of: digest, artifactType: SimpleSigning.artifactType)
        }
        #expect(error?.description.contains("the list has no end") == true, "\(error?.description ?? "")")
        withExtendedLifetime(registry) {}
    }
}
