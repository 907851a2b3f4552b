public import Layers

/// An OCI image's config (image-spec, config.md): what runs in it, and the digests of its layers as plain archives.
public struct ImageConfig: Sendable, Codable, Equatable {
    public struct Process: Sendable, Encodable, Equatable {
        public var Env: [String]?
        public var Entrypoint: [String]?
        public var Cmd: [String]?
        public var User: String?
        public var WorkingDir: String?
        public var StopSignal: String?
        public var Labels: [String: String]?
        public var ExposedPorts: [String: Nothing]?
        public var Volumes: [String: Nothing]?
    }

    /// `{}`: image-spec has sets as objects.
    public struct Nothing: Sendable, Codable, Equatable {
        init() {}
        /// Whatever it is: null in what some programs write.
        public init(from decoder: any Decoder) {}
    }

    public struct RootFS: Sendable, Codable, Equatable {
        public var type = "layers"
        /// Of the uncompressed archives, base first.
        public var diff_ids: [BlobDigest]

        init(diff_ids: [BlobDigest]) { self.diff_ids = diff_ids }

        public init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            type = try values.decodeIfPresent(String.self, forKey: .type) ?? "layers"
            // Of an image of nothing some programs write null.
            diff_ids = try values.decodeIfPresent([BlobDigest].self, forKey: .diff_ids) ?? []
        }
    }

    public struct History: Sendable, Codable, Equatable {
        public var created: String?
        public var created_by: String?
        public var empty_layer: Bool?
    }

    public var created: String?
    /// Nil where the image doesn't say it: then it is for any host.
    public var architecture: String?
    public var os: String?
    public var variant: String?
    public var config: Process?
    public var rootfs: RootFS
    public var history: [History]?

    /// Says what an image of the pool says of its tasks.
    ///
    /// - Parameters:
    ///   - layers: `diff_id` and label of each.
    ///   - hasInit: whether the image boots when nothing else is said.
    public init(_ configuration: ImageConfiguration, layers: [(digest: BlobDigest, label: String)], hasInit: Bool) {
        // No clock: the same image gives the same config.
        created = "1970-01-01T00:00:00Z"
        architecture = Descriptor.Platform.current.architecture
        os = "linux"
        rootfs = RootFS(diff_ids: layers.map(\.digest))
        history = layers.map { History(created: "1970-01-01T00:00:00Z", created_by: "dish image export: \($0.label)") }
        var process = Process()
        process.Env = configuration.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let boots = hasInit && configuration.entrypoint == nil
        process.Entrypoint = configuration.entrypoint.flatMap { $0.isEmpty ? nil : $0 }
        process.Cmd = boots ? Self.inits[0] : configuration.command.isEmpty ? nil : configuration.command
        process.User = configuration.user
        process.WorkingDir = configuration.directory
        // What systemd as init understands as "shut down".
        process.StopSignal = configuration.stopSignal ?? (boots ? "SIGRTMIN+3" : nil)
        process.Labels = configuration.labels.isEmpty ? nil : configuration.labels
        process.ExposedPorts = Self.set(configuration.exposedPorts)
        process.Volumes = Self.set(configuration.volumes)
        config = process
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        created = (try? values.decodeIfPresent(String.self, forKey: .created)) ?? nil
        architecture = try values.decodeIfPresent(String.self, forKey: .architecture)
        os = try values.decodeIfPresent(String.self, forKey: .os)
        variant = try values.decodeIfPresent(String.self, forKey: .variant)
        config = try values.decodeIfPresent(Process.self, forKey: .config)
        rootfs = try values.decode(RootFS.self, forKey: .rootfs)
        // For people alone.
        history = (try? values.decodeIfPresent([History].self, forKey: .history)) ?? nil
    }

    public var platform: Descriptor.Platform {
        Descriptor.Platform(architecture: architecture ?? "", os: os ?? "", variant: variant)
    }

    private static func set(_ names: [String]?) -> [String: Nothing]? {
        names.map { Dictionary($0.map { ($0, Nothing()) }) { first, _ in first } }
    }

    private static let inits = [
        ["/sbin/init"], ["/usr/sbin/init"], ["/lib/systemd/systemd"], ["/usr/lib/systemd/systemd"], ["/init"],
    ]

    /// The same for tasks that run from it here.
    public var configuration: ImageConfiguration {
        var configuration = ImageConfiguration()
        guard let config else { return configuration }
        for variable in config.Env ?? [] {
            let parts = variable.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if parts.count == 2, !parts[0].isEmpty { configuration.environment[parts[0]] = parts[1] }
        }
        let commandLine = (config.Entrypoint ?? []) + (config.Cmd ?? [])
        // An image whose command is its init is one to boot.
        if !commandLine.isEmpty, !Self.inits.contains(commandLine) {
            configuration.entrypoint = config.Entrypoint ?? []
            configuration.command = config.Cmd ?? []
        }
        configuration.user = config.User.flatMap { $0.isEmpty ? nil : $0 }
        configuration.directory = config.WorkingDir.flatMap { $0.isEmpty ? nil : $0 }
        configuration.stopSignal = config.StopSignal.flatMap { $0.isEmpty ? nil : $0 }
        configuration.labels = config.Labels ?? [:]
        configuration.exposedPorts = config.ExposedPorts.flatMap { $0.isEmpty ? nil : $0.keys.sorted() }
        configuration.volumes = config.Volumes.flatMap { $0.isEmpty ? nil : $0.keys.sorted() }
        return configuration
    }
}

extension ImageConfig.Process: Decodable {
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        /// Older programs wrote a command of one word as text.
        func words(_ key: CodingKeys) throws -> [String]? {
            if let text = try? values.decodeIfPresent(String.self, forKey: key) { return [text] }
            return try values.decodeIfPresent([String].self, forKey: key)
        }
        Env = try values.decodeIfPresent([String].self, forKey: .Env)
        Entrypoint = try words(.Entrypoint)
        Cmd = try words(.Cmd)
        User = try values.decodeIfPresent(String.self, forKey: .User)
        WorkingDir = try values.decodeIfPresent(String.self, forKey: .WorkingDir)
        StopSignal = try values.decodeIfPresent(String.self, forKey: .StopSignal)
        Labels = try values.decodeIfPresent([String: String].self, forKey: .Labels)
        ExposedPorts = try values.decodeIfPresent([String: ImageConfig.Nothing].self, forKey: .ExposedPorts)
        Volumes = try values.decodeIfPresent([String: ImageConfig.Nothing].self, forKey: .Volumes)
    }
}
