/// A list of manifests (image-spec, image-index.md).
public struct Index: Sendable, Codable, Equatable {
    public var schemaVersion = 2
    public var mediaType: String?
    public var manifests: [Descriptor]

    public init(manifests: [Descriptor]) {
        mediaType = MediaType.index
        self.manifests = manifests
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        schemaVersion = try values.decodeIfPresent(Int.self, forKey: .schemaVersion) ?? 2
        mediaType = try values.decodeIfPresent(String.self, forKey: .mediaType)
        guard values.contains(.manifests) else { throw DecodingError.missing(.manifests, in: values) }
        manifests = try values.decodeIfPresent([Descriptor].self, forKey: .manifests) ?? []
    }

    /// A manifest that says how another was made, and isn't one to run.
    private static let attestation = "vnd.docker.reference.type"

    /// The manifest for a processor: of those that run on it the one that uses it best; one that says no platform is for any.
    ///
    /// - Throws: `OCIError` `.notFound` naming the platforms there are.
    public func manifest(for host: HostProcessor = .current, of image: String) throws -> Descriptor {
        let images = manifests.filter { $0.annotations?[Self.attestation] == nil }
        var best: (manifest: Descriptor, fitness: Int)?
        for manifest in images {
            guard let platform = manifest.platform, !platform.isEmpty, let fitness = host.fitness(platform),
                fitness > best?.fitness ?? -1
            else { continue }
            best = (manifest, fitness)
        }
        if let best { return best.manifest }
        let forAny = images.filter { $0.platform?.isEmpty ?? true }
        if let found = forAny.first(where: { $0.artifactType == nil }) ?? forAny.first { return found }
        let there = Set(images.compactMap { $0.platform?.description }).sorted().joined(separator: ", ")
        let level = images.compactMap(\.platform).first { host.isSameArchitecture($0) }.map { host.levelIfTold($0) } ?? ""
        throw OCIError(
            .notFound, "'\(image)' is not made for \(host.description)\(level), only for \(there.isEmpty ? "nothing" : there)")
    }
}
