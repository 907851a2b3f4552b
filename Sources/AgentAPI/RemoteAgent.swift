/// Where the agent of another host is, and what shows it who asks (docs/security.md, "Who may use the API").
public struct RemoteAgent: Sendable, Equatable {
    /// `HOST:PORT`.
    public var address: String
    /// PEM file of the client's certificate.
    public var certificate: String
    /// PEM file of its key.
    public var key: String
    /// PEM file of the authorities whose certificate the agent may have.
    public var authorities: String

    public init(address: String, certificate: String, key: String, authorities: String) {
        self.address = address
        self.certificate = certificate
        self.key = key
        self.authorities = authorities
    }
}
