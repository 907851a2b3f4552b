/// How registries are reached.
public struct RegistryOptions: Sendable {
    /// Whether HTTP without TLS is spoken.
    public var isPlain = false
    /// A file of certificates to trust instead of the system's.
    public var authorities: String?
    /// Seconds without data after which an attempt is given up.
    public var stallTimeout = 30
    /// How often something is tried in all.
    public var attempts = 5

    public init() {}
}
