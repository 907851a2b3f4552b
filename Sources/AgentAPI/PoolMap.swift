/// What uses how much of a pool, and what stands on what: `GET /v1/pool/map`. Bytes.
public struct PoolMap: Sendable, Codable, Equatable {
    public struct Layer: Sendable, Codable, Equatable {
        public var id: String
        /// The layer that it was built on; nil for a base.
        public var parent: String?
        /// The target that it was first built for.
        public var label: String
        /// What it is called now.
        public var names: [String]
        /// Seconds since 1970.
        public var created: Int64
        /// Files of all types, the whole stack counted.
        public var entries: Int
        /// Of all regular files, the whole stack counted.
        public var size: Int64
        /// What it is billed for; nil on pools without quotas.
        public var own: UInt64?

        public init(
            id: String, parent: String?, label: String, names: [String], created: Int64, entries: Int, size: Int64, own: UInt64?
        ) {
            self.id = id
            self.parent = parent
            self.label = label
            self.names = names
            self.created = created
            self.entries = entries
            self.size = size
            self.own = own
        }
    }

    /// A task or a volume.
    public struct Entry: Sendable, Codable, Equatable {
        public var name: String
        public var id: String
        /// What it is billed for; nil on pools without quotas.
        public var own: UInt64?
        /// The most that may become; nil for no limit.
        public var limit: UInt64?
        /// What a task stands on.
        public var layer: String?

        public init(name: String, id: String, own: UInt64?, limit: UInt64?, layer: String?) {
            self.name = name
            self.id = id
            self.own = own
            self.limit = limit
            self.layer = layer
        }
    }

    /// Bytes that none of these is billed for.
    public struct Other: Sendable, Codable, Equatable {
        /// `logs`, `failed`, `staging`, `pool`, `removed`, `other`, `system`.
        public var kind: String
        public var bytes: UInt64

        public init(kind: String, bytes: UInt64) {
            self.kind = kind
            self.bytes = bytes
        }
    }

    public var path: String
    public var total: UInt64
    public var available: UInt64
    public var dataUsed: UInt64
    public var metadataUsed: UInt64
    public var quotas: Bool
    /// Oldest first.
    public var layers: [Layer]
    public var tasks: [Entry]
    public var volumes: [Entry]
    /// With the others' bills they add up to what is used; nil on pools without quotas, and from agents that don't tell.
    public var others: [Other]?

    public init(
        path: String, total: UInt64, available: UInt64, dataUsed: UInt64, metadataUsed: UInt64, quotas: Bool, layers: [Layer],
        tasks: [Entry], volumes: [Entry], others: [Other]? = nil
    ) {
        self.path = path
        self.total = total
        self.available = available
        self.dataUsed = dataUsed
        self.metadataUsed = metadataUsed
        self.quotas = quotas
        self.layers = layers
        self.tasks = tasks
        self.volumes = volumes
        self.others = others
    }
}
