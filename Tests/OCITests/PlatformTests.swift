import Testing

@testable import OCI

/// Of the images in a list, the one that uses the processor best and runs on it.
@Suite struct PlatformTests {
    private func index(_ platforms: String?...) throws -> Index {
        let entries = platforms.enumerated().map { number, platform in
            let digest = String(repeating: "\(number)", count: 64)
            let said = platform.map { #", "platform": \#($0)"# } ?? ""
            return #"{"mediaType": "\#(MediaType.manifest)", "digest": "sha256:\#(digest)", "size": 1\#(said)}"#
        }
        let text = #"{"schemaVersion": 2, "manifests": [\#(entries.joined(separator: ", "))]}"#
        return try OCIJSON.decode(Index.self, Array(text.utf8), "the index")
    }

    private func platform(_ architecture: String, _ variant: String? = nil, os: String = "linux") -> String {
        #"{"architecture": "\#(architecture)", "os": "\#(os)"\#(variant.map { #", "variant": "\#($0)""# } ?? "")}"#
    }

    /// The place in the list of what is chosen.
    private func choice(_ index: Index, _ host: HostProcessor) throws -> Int? {
        try index.manifest(for: host, of: "app").digest.hex.first?.hexDigitValue
    }

    private static let plain = HostProcessor(architecture: "amd64", level: 1)

    @Test func theBestVariantThatRunsIsTaken() throws {
        let all = try index(
            platform("amd64", "v4"), platform("amd64", "v2"), platform("amd64"), platform("amd64", "v3"), platform("arm64", "v8"))
        for (level, place) in [(1, 2), (2, 1), (3, 3), (4, 0)] {
            #expect(try choice(all, HostProcessor(architecture: "amd64", level: level)) == place, "v\(level)")
        }
        #expect(try choice(index(platform("amd64", "v1"), platform("amd64")), Self.plain) == 0)
        // One that nobody knows isn't taken for the plain one.
        #expect(try choice(index(platform("amd64", "v99"), platform("amd64", "fast"), platform("amd64")), Self.plain) == 2)
    }

    @Test func armIsChosenLikewise() throws {
        let all = try index(
            platform("arm", "v7"), platform("arm64", "v9"), platform("arm64", "v8.1"), platform("arm64", "v8"), platform("arm64"))
        for (level, place) in [(80, 3), (81, 2), (83, 2), (90, 1)] {
            #expect(try choice(all, HostProcessor(architecture: "arm64", level: level)) == place, "\(level)")
        }
        #expect(HostProcessor(architecture: "arm64", features: ["fp", "atomics", "asimdrdm", "crc32"]).level == 81)
        #expect(HostProcessor(architecture: "arm64", features: ["sve2"]).level == 80)
    }

    @Test func whatDoesNotRunHereIsRefusedWithWhatThereIs() throws {
        let error = #expect(throws: OCIError.self) {
            try choice(index(platform("amd64", "v3"), platform("s390x"), platform("amd64", os: "windows")), Self.plain)
        }
        let text = error?.description ?? ""
        #expect(text.contains("not made for linux/amd64 with a processor of v1"), "\(text)")
        #expect(text.contains("linux/amd64/v3, linux/s390x, windows/amd64"), "\(text)")
        #expect(throws: OCIError.self) { try choice(index(platform("s390x")), Self.plain) }
        #expect(throws: OCIError.self) { try Self.plain.require(.init(architecture: "amd64", os: "linux", variant: "v2"), "it") }
        #expect(throws: OCIError.self) { try Self.plain.require(.init(architecture: "arm64", os: "linux"), "it") }
    }

    @Test func namesOfOthersAreUnderstood() throws {
        for name in ["x86_64", "X86-64", "AMD64"] { #expect(try choice(index(platform(name)), Self.plain) == 0, "\(name)") }
        let arm = HostProcessor(architecture: "arm64", level: 80)
        #expect(try choice(index(platform("aarch64", os: "Linux")), arm) == 0)
        try Self.plain.require(.init(architecture: "", os: ""), "it")
        // No platform, or an empty one, is for any; one that fits comes first.
        #expect(try choice(index(nil, "{}", platform("amd64")), Self.plain) == 2)
        #expect(try choice(index("{}", platform("s390x")), Self.plain) == 0)
    }

    @Test func attestationsAreNoImages() throws {
        var index = try index(nil, platform("unknown", os: "unknown"), nil)
        index.manifests[0].annotations = ["vnd.docker.reference.type": "attestation-manifest"]
        #expect(try choice(index, Self.plain) == 2)
    }

    @Test func levelsFollowTheProcessorsFeatures() {
        let second: Set<String> = ["cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"]
        let third = second.union(["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"])
        #expect(HostProcessor(architecture: "amd64", features: []).level == 1)
        #expect(HostProcessor(architecture: "amd64", features: second.union(["fpu", "avx"])).level == 2)
        #expect(HostProcessor(architecture: "amd64", features: third).level == 3)
        let wide: Set<String> = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]
        #expect(HostProcessor(architecture: "amd64", features: third.union(wide)).level == 4)
        #expect(HostProcessor(architecture: "amd64", features: wide).level == 1)
    }
}
