import AgentAPI
import Glibc
import Linux
import Spec

/// Secrets on disk, each a file of mode 0600: those of the host in `<state>/secrets/`, those of one task in its state directory, with
/// which they go. Nothing else of the agent ever has their content (docs/secrets.md).
struct SecretStore: Sendable {
    let directory: String

    /// Bytes of one secret, and of all that a task sees: systemd takes a mebibyte.
    static let longest = 512 << 10
    static let longestOfTask = 900 << 10

    /// The host's.
    init(_ configuration: AgentConfiguration) { directory = "\(configuration.stateDirectory)/secrets" }

    /// A task's own.
    init(_ configuration: AgentConfiguration, task id: String) { directory = "\(configuration.state(of: id))/secrets" }

    func path(of name: String) -> String { "\(directory)/\(name)" }

    /// - Throws: `AgentError` `.conflict` where one with another content must stay.
    func write(_ name: String, _ content: [UInt8], replaces: Bool = true) throws {
        try Files.makeDirectories(directory, mode: 0o700)
        if !replaces, status(name) != nil {
            if try Files.read(path(of: name)) == content { return }
            throw AgentError(
                .conflict,
                "there is a secret '\(name)' with another content; to replace it: dish secret create --replace \(name) FILE")
        }
        try Files.replace(path(of: name), with: content, mode: 0o600)
    }

    func list() throws -> [SecretStatus] {
        guard Files.exists(directory) else { return [] }
        return try Files.list(directory).compactMap { name in Names.isSecret(name) ? status(name) : nil }
    }

    /// Nil when there is none.
    func status(_ name: String) -> SecretStatus? {
        var file = stat()
        guard Names.isSecret(name), lstat(path(of: name), &file) == 0, file.st_mode & S_IFMT == S_IFREG else { return nil }
        return SecretStatus(name: name, size: Int(file.st_size), changed: Int64(file.st_mtim.tv_sec), usedBy: [])
    }

    func remove(_ name: String) throws {
        try retryingInterrupts("remove the secret", name) { unlink(path(of: name)) }
        try Files.syncDirectory(directory)
    }
}
