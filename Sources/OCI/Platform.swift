import Glibc
import Linux

extension Descriptor {
    /// The platform that an image is made for (image-spec, image-index.md). What isn't said is empty.
    public struct Platform: Sendable, Equatable {
        public var architecture: String
        public var os: String
        public var variant: String?

        /// That of this host.
        public static let current = Platform(architecture: HostProcessor.current.architecture, os: "linux")

        public init(architecture: String, os: String, variant: String? = nil) {
            self.architecture = architecture
            self.os = os
            self.variant = variant
        }

        /// True if it says nothing: what has such a platform is for any.
        var isEmpty: Bool { architecture.isEmpty && os.isEmpty }
    }
}

extension Descriptor.Platform: Codable {
    private enum CodingKeys: CodingKey { case architecture, os, variant }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        architecture = try values.decodeIfPresent(String.self, forKey: .architecture) ?? ""
        os = try values.decodeIfPresent(String.self, forKey: .os) ?? ""
        variant = try values.decodeIfPresent(String.self, forKey: .variant)
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        if !architecture.isEmpty { try values.encode(architecture, forKey: .architecture) }
        if !os.isEmpty { try values.encode(os, forKey: .os) }
        try values.encodeIfPresent(variant, forKey: .variant)
    }
}

extension Descriptor.Platform: CustomStringConvertible {
    /// `linux/amd64/v3`
    public var description: String {
        let parts = [os.isEmpty ? "linux" : os, architecture] + [variant].compactMap { $0 }
        return parts.filter { !$0.isEmpty }.joined(separator: "/")
    }
}

/// The processor that images run on.
public struct HostProcessor: Sendable, Equatable {
    /// As images call it.
    public let architecture: String
    /// Of amd64 the microarchitecture level, 1 to 4; of arm64 the version of the architecture, times ten.
    public let level: Int

    public init(architecture: String, level: Int) {
        self.architecture = architecture
        self.level = level
    }

    /// - Parameter features: as `/proc/cpuinfo` has them.
    init(architecture: String, features: Set<String>) {
        let steps = architecture == "amd64" ? Self.amd64 : Self.arm64
        let level = steps.prefix { features.isSuperset(of: $0.features) }.last?.level
        self.init(architecture: architecture, level: level ?? (architecture == "amd64" ? 1 : 80))
    }

    public static let current: HostProcessor = {
        let text = (try? Files.readText("/proc/cpuinfo")) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") } ?? ""
        let features = line.split(separator: ":").last?.split(separator: " ").map(String.init) ?? []
        return HostProcessor(architecture: machine, features: Set(features))
    }()

    #if arch(x86_64)
        private static let machine = "amd64"
    #else
        private static let machine = "arm64"
    #endif

    /// The levels of the x86-64 psABI, by the kernel's names of what each adds.
    private static let amd64: [(level: Int, features: Set<String>)] = [
        (2, ["cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"]),
        (3, ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]),
        (4, ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]),
    ]

    private static let arm64: [(level: Int, features: Set<String>)] = [
        (81, ["atomics", "asimdrdm", "crc32"]), (82, ["dcpop"]), (83, ["jscvt", "fcma", "lrcpc", "paca"]), (90, ["sve2"]),
    ]

    /// Rates how well what is made for a platform fits: the more of the processor it uses the higher; nil when it doesn't run.
    func fitness(_ platform: Descriptor.Platform) -> Int? {
        guard platform.os.isEmpty || platform.os.lowercased() == "linux" else { return nil }
        if platform.architecture.isEmpty { return 0 }
        guard Self.plain(platform.architecture) == architecture, let wanted = wanted(platform.variant), wanted <= level else {
            return nil
        }
        return wanted
    }

    /// Tells whether it is made for this architecture, whatever of it it wants.
    func isSameArchitecture(_ platform: Descriptor.Platform) -> Bool {
        (platform.os.isEmpty || platform.os.lowercased() == "linux") && Self.plain(platform.architecture) == architecture
    }

    /// The name that others give it.
    private static func plain(_ architecture: String) -> String {
        switch architecture.lowercased() {
        case "x86_64", "x86-64": "amd64"
        case "aarch64": "arm64"
        case let name: name
        }
    }

    /// The level that a variant wants: `v3`, `v8.1`; nil for one that isn't known.
    private func wanted(_ variant: String?) -> Int? {
        guard let variant, !variant.isEmpty else { return architecture == "amd64" ? 1 : 80 }
        let parts = variant.lowercased().drop { $0 == "v" }.split(separator: ".", maxSplits: 1).map { Int($0) }
        guard let first = parts.first ?? nil, (1...99).contains(first) else { return nil }
        if architecture == "amd64" { return parts.count == 1 ? first : nil }
        guard parts.count == 2 else { return first * 10 }
        return parts[1].flatMap { (0...9).contains($0) ? first * 10 + $0 : nil }
    }

    /// Checks that what is made for a platform runs here.
    ///
    /// - Throws: `OCIError` `.notFound`.
    public func require(_ platform: Descriptor.Platform, _ what: String) throws {
        if fitness(platform) != nil { return }
        throw OCIError(.notFound, "\(what) is made for \(platform), and this host is \(description)\(levelIfTold(platform))")
    }

    /// `linux/amd64`
    var description: String { "linux/\(architecture)" }

    /// The features of the processor, where that is what is missing.
    func levelIfTold(_ platform: Descriptor.Platform) -> String {
        guard isSameArchitecture(platform) else { return "" }
        return " with a processor of \(architecture == "amd64" ? "v\(level)" : "v\(level / 10).\(level % 10)")"
    }
}
