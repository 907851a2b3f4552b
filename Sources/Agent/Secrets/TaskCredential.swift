import AgentAPI
import FoundationEssentials
import Spec

/// A credential that a task sees: systemd.exec(5), "Credentials". Its content is in a file, which is read at each start of the task.
struct TaskCredential: Sendable, Codable, Equatable {
    let name: String
    /// The host's secret that it is; nil for one of the task's own.
    let secret: String?
}

/// What a request says of secrets, taken out of it before it is kept or told anywhere.
struct RequestedSecrets: Sendable {
    let credentials: [TaskCredential]
    /// The content of the task's own, by credential.
    let contents: [String: [UInt8]]

    /// - Parameter request: is left without contents.
    /// - Throws: `AgentError` naming the field; no content is repeated.
    init(takingFrom request: inout TaskRequest, store: SecretStore) throws {
        var (credentials, contents, size) = ([TaskCredential](), [String: [UInt8]](), 0)
        for (index, use) in request.secrets.enumerated() {
            let field = "secrets[\(index)]"
            guard let status = store.status(use.secret) else {
                throw AgentError(
                    .notFound, "there is no secret '\(use.secret)'; make it: dish secret create \(use.secret) FILE",
                    at: field)
            }
            size += status.size
            credentials.append(TaskCredential(name: use.credential, secret: use.secret))
        }
        for (name, value) in (request.secretValues ?? [:]).sorted(by: { $0.key < $1.key }) {
            let field = "secretValues.\(name)"
            guard Names.isSecret(name) else {
                throw AgentError(
                    .invalid, "a credential's name has letters, digits, '.', '_' and '-'", at: "secretValues")
            }
            contents[name] = try Self.content(value, field)
            size += contents[name]?.count ?? 0
            credentials.append(TaskCredential(name: name, secret: nil))
        }
        if Set(credentials.map(\.name)).count < credentials.count {
            throw AgentError(.invalid, "two of a task can't have one name", at: "secrets")
        }
        guard size <= SecretStore.longestOfTask else {
            throw AgentError(
                .invalid, "a task's may have \(SecretStore.longestOfTask >> 10) KiB together, and these have more",
                at: "secrets")
        }
        request.secretValues = nil
        (self.credentials, self.contents) = (credentials, contents)
    }

    /// What base64 stands for.
    static func content(_ base64: String, _ field: String) throws(AgentError) -> [UInt8] {
        guard let data = Data(base64Encoded: base64) else {
            throw AgentError(.invalid, "it is no base64", at: field)
        }
        guard data.count <= SecretStore.longest else {
            throw AgentError(
                .invalid, "a secret may have \(SecretStore.longest >> 10) KiB, and this has \(data.count) bytes",
                at: field)
        }
        return Array(data)
    }
}
