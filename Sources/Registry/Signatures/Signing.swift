import Crypto
import FoundationEssentials
import Glibc
import Linux
public import OCI

/// Signing manifests, and checking their signatures: ECDSA P-256 over SHA-256.
public enum Signing {
    /// Signs a manifest and stores the signature beside it. Signing again with the same key adds nothing.
    ///
    /// - Parameters:
    ///   - reference: a tag or a digest.
    ///   - key: a file with a private key in PEM.
    /// - Returns: the manifest's digest.
    public static func sign(_ reference: String, in repository: some Repository, key: String) async throws -> BlobDigest {
        let signer: P256.Signing.PrivateKey
        do {
            signer = try P256.Signing.PrivateKey(pemRepresentation: Files.readText(key))
        } catch let error as SystemError {
            throw RegistryError(.invalid, "read the private key: \(error)")
        } catch {
            throw RegistryError(
                .invalid,
                "'\(key)' has no private key of ECDSA P-256 in PEM; make one: openssl ecparam -name prime256v1 -genkey -noout -out \(key)"
            )
        }
        let subject = try await repository.requireManifest(reference).descriptor
        let publicKey = signer.publicKey
        if try await find(of: subject.digest, in: repository, { $0.isValid(publicKey, subject.digest) }).isFound {
            return subject.digest
        }
        let payload = try OCIJSON.encode(SimpleSigning(subject.digest, of: repository.name))
        let signature = try signer.signature(for: payload).derRepresentation
        var layer = Descriptor(mediaType: SimpleSigning.mediaType, of: payload)
        layer.annotations = [SimpleSigning.annotation: signature.base64EncodedString()]
        let config = Array(#"{"architecture":"","config":{},"os":"","rootfs":{"diff_ids":[],"type":"layers"}}"#.utf8)
        try await store(payload, layer, repository)
        try await store(config, Descriptor(mediaType: MediaType.config, of: config), repository)
        // All signatures of a manifest are in one, which cosign's tag names.
        var layers = try await listed(subject.digest, in: repository)?.layers ?? []
        layers.append(layer)
        var plain = Descriptor(mediaType: subject.mediaType ?? MediaType.manifest, digest: subject.digest, size: subject.size)
        plain.annotations = nil
        let manifest = Manifest(
            config: Descriptor(mediaType: MediaType.config, of: config), layers: layers,
            artifactType: SimpleSigning.artifactType, subject: plain)
        try await repository.storeReferrer(manifest, subject: subject.digest, tag: SimpleSigning.tag(of: subject.digest))
        return subject.digest
    }

    /// Checks that one of some keys has signed a manifest.
    ///
    /// - Parameter keys: files with public keys in PEM.
    /// - Returns: the manifest's digest: what is fetched by it is what was signed.
    /// - Throws: `RegistryError` `.untrusted`.
    public static func verify(_ reference: String, in repository: some Repository, keys: [String]) async throws -> BlobDigest {
        let verifiers = try keys.map { path in
            do {
                return try P256.Signing.PublicKey(pemRepresentation: Files.readText(path))
            } catch {
                throw RegistryError(.untrusted, "'\(path)' has no public key of ECDSA P-256 in PEM: \(error)")
            }
        }
        let digest = try await repository.requireManifest(reference).descriptor.digest
        let (isFound, others) = try await find(of: digest, in: repository) { signature in
            verifiers.contains { signature.isValid($0, digest) }
        }
        if isFound { return digest }
        let why = others == 0 ? "it has no signature" : "none of its \(others) signatures is by \(keys.joined(separator: " or "))"
        throw RegistryError(.untrusted, "'\(reference)' (\(digest)) in \(repository.name) is not trusted: \(why)")
    }

    private struct Signature {
        let payload: [UInt8]
        let signature: Data

        func isValid(_ key: P256.Signing.PublicKey, _ digest: BlobDigest) -> Bool {
            guard let parsed = try? P256.Signing.ECDSASignature(derRepresentation: signature),
                key.isValidSignature(parsed, for: payload),
                let said = try? OCIJSON.decode(SimpleSigning.self, payload, "a signature")
            else { return false }
            // A valid signature of another manifest says nothing of this one.
            return said.critical.image.digest == digest && said.critical.type == SimpleSigning.Critical.cosign
        }
    }

    private static func listed(_ digest: BlobDigest, in repository: some Repository) async throws -> Manifest? {
        guard let found = try await repository.manifest(SimpleSigning.tag(of: digest)) else { return nil }
        return try Manifest.read(found.bytes, "the signatures of \(digest)")
    }

    /// The most signatures of a manifest that are looked at, and the most manifests that they are in.
    private static let mostSignatures = 2000

    /// Looks for a signature in what is under cosign's tag, and in what refers to the manifest.
    ///
    /// - Returns: whether there is one, and how many others were seen.
    /// - Throws: `RegistryError` `.untrusted` where there are too many to look at all.
    private static func find(
        of digest: BlobDigest, in repository: some Repository, _ isWanted: (Signature) -> Bool
    ) async throws -> (isFound: Bool, others: Int) {
        var seen: Set<String> = []
        func look(_ layers: [Descriptor]) async throws -> Bool {
            for layer in layers where layer.mediaType == SimpleSigning.mediaType && layer.size <= 65536 {
                guard let text = layer.annotations?[SimpleSigning.annotation], seen.insert(text).inserted,
                    let signature = Data(base64Encoded: text)
                else { continue }
                guard seen.count <= mostSignatures else { throw tooMany(digest, repository) }
                if isWanted(Signature(payload: try await repository.read(layer), signature: signature)) { return true }
            }
            return false
        }
        if try await look(listed(digest, in: repository)?.layers ?? []) { return (true, seen.count - 1) }
        let referrers = try await repository.referrers(of: digest, artifactType: SimpleSigning.artifactType)
        for (index, referrer) in referrers.enumerated() {
            guard index < mostSignatures else { throw tooMany(digest, repository) }
            guard let found = try await repository.manifest(referrer.digest.description) else { continue }
            if try await look(Manifest.read(found.bytes, "a signature of \(digest)").layers) { return (true, seen.count - 1) }
        }
        return (false, seen.count)
    }

    private static func tooMany(_ digest: BlobDigest, _ repository: some Repository) -> RegistryError {
        RegistryError(
            .untrusted, "\(digest) in \(repository.name) has more than \(mostSignatures) signatures, and none of those is wanted")
    }

    private static func store(_ bytes: [UInt8], _ descriptor: Descriptor, _ repository: some Repository) async throws {
        try await repository.store(descriptor, bytes: bytes)
    }
}
