/// What `POST /v1/packages` takes: images of registries that shall be present on the host.
public struct PackageRequest: Sendable, Codable, Equatable {
    /// `HOST[:PORT]/NAME[:TAG][@DIGEST]`.
    public var references: [String]
    /// Whether those that are here are fetched anew.
    public var always: Bool

    public init(references: [String], always: Bool = false) {
        self.references = references
        self.always = always
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        references = try values.decode([String].self, forKey: .references)
        always = try values.decodeIfPresent(Bool.self, forKey: .always) ?? false
    }
}

/// An image of a registry that the agent fetches or has fetched.
public struct PackageStatus: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable, CaseIterable {
        /// Others are being fetched.
        case queued
        case pulling
        /// It failed and is tried again.
        case waiting
        case present
        /// It failed, and trying again would change nothing.
        case failed
    }

    public var reference: String
    public var state: State
    /// The layer's id; nil before it was here.
    public var layer: String?
    /// Of the pull that is under way or was the last.
    public var bytes: UInt64
    /// What it transfers at most; 0 before that is known.
    public var expected: UInt64
    /// What it is doing.
    public var step: String?
    /// How often it has been tried since it was asked for.
    public var attempts: Int
    /// Why it failed last.
    public var reason: String?
    /// Milliseconds until it is tried again.
    public var retryIn: Int64?
    /// When it was fetched, in seconds since 1970.
    public var pulled: Int64?
    /// When something last ran from it or asked for it, in seconds since 1970.
    public var lastUsed: Int64?

    public init(reference: String, state: State) {
        self.reference = reference
        self.state = state
        (bytes, expected, attempts) = (0, 0, 0)
    }
}

/// How full the pool is, and what that means for images.
public struct PoolPressure: Sendable, Codable, Equatable {
    /// Bytes.
    public var total: UInt64
    public var used: UInt64
    /// Percent above which layers are collected, and down to which.
    public var high: Int
    public var low: Int
    /// Whether it is above the higher mark, with nothing left to collect: nothing is pulled.
    public var isFull: Bool
    /// What a pull would be refused with.
    public var reason: String?

    public init(total: UInt64, used: UInt64, high: Int, low: Int, isFull: Bool, reason: String?) {
        self.total = total
        self.used = used
        self.high = high
        self.low = low
        self.isFull = isFull
        self.reason = reason
    }

    public var percent: Int { total == 0 ? 0 : Int(Double(used) / Double(total) * 100) }
}

/// What `GET /v1/packages` answers.
public struct PackagesStatus: Sendable, Codable, Equatable {
    /// Grows with each change but progress.
    public var revision: UInt64
    public var pool: PoolPressure
    public var packages: [PackageStatus]

    public init(revision: UInt64, pool: PoolPressure, packages: [PackageStatus]) {
        self.revision = revision
        self.pool = pool
        self.packages = packages
    }
}
