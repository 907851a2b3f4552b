import FoundationEssentials
import Glibc
import Linux

/// What a registry knows its user by.
struct Credentials: Sendable, Equatable {
    var user: String
    var password: String
    /// A token that is exchanged for others, instead of a password.
    var identityToken: String?

    /// The value of an `Authorization` field.
    var basic: String { "Basic " + Data("\(user):\(password)".utf8).base64EncodedString() }
}

/// Docker's `config.json`: who one is where, or which program knows.
struct CredentialStore: Sendable {
    private struct Configuration: Decodable {
        struct Entry: Decodable {
            var auth: String?
            var username: String?
            var password: String?
            var identitytoken: String?
        }

        var auths: [String: Entry]?
        var credHelpers: [String: String]?
        var credsStore: String?
    }

    private struct HelperAnswer: Decodable {
        let Username: String
        let Secret: String
    }

    /// Nil when there is none.
    let path: String?

    /// `$DOCKER_CONFIG/config.json`, or that in `~/.docker`.
    static var host: CredentialStore {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } }
        let directory = variable("DOCKER_CONFIG") ?? variable("HOME").map { "\($0)/.docker" }
        return CredentialStore(path: directory.map { "\($0)/config.json" })
    }

    /// The most keys of the file that a helper is asked for.
    private static let mostQuestions = 8

    /// The credentials for a repository: those of the key that says most of it.
    ///
    /// - Throws: `RegistryError` when the file is damaged, or the helper is missing or fails.
    func credentials(for reference: Reference) async throws -> Credentials? {
        guard let path, Files.exists(path) else { return nil }
        let configuration: Configuration
        do {
            configuration = try JSONDecoder().decode(Configuration.self, from: Data(Files.read(path)))
        } catch {
            throw RegistryError(.invalid, "the credentials in '\(path)' can't be read: \(plainReason(error))")
        }
        func matching(_ keys: some Sequence<String>) -> [String] { CredentialKey.matching(keys, reference) }
        let entries = matching((configuration.auths ?? [:]).keys)
        let ownHelper = matching((configuration.credHelpers ?? [:]).keys).first.flatMap { configuration.credHelpers?[$0] }
        if let helper = ownHelper ?? configuration.credsStore, !helper.isEmpty {
            // They are kept under the key that they were given under, which the file has without a password.
            var asked: Set<String> = []
            for name in ([reference.host] + entries + ["https://\(reference.host)"]).prefix(Self.mostQuestions)
            where asked.insert(name).inserted {
                if let found = try await ask(helper, name) { return found }
            }
        }
        for key in entries {
            if let entry = configuration.auths?[key], let found = try credentials(entry, key) { return found }
        }
        return nil
    }

    /// Nil for an entry that only says that a helper has them.
    private func credentials(_ entry: Configuration.Entry, _ key: String) throws -> Credentials? {
        if let token = entry.identitytoken, !token.isEmpty { return Credentials(user: "", password: "", identityToken: token) }
        if let user = entry.username, let password = entry.password { return Credentials(user: user, password: password) }
        guard let auth = entry.auth, !auth.isEmpty else { return nil }
        let data = Data(base64Encoded: auth.filter { !$0.isWhitespace })
        let parts = String(decoding: data ?? Data(), as: UTF8.self)
            .split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw RegistryError(.invalid, "the credentials for \(key) in '\(path ?? "")' are not USER:PASSWORD in base 64")
        }
        // As Docker reads it: some programs wrote a zero byte at its end.
        return Credentials(user: String(parts[0]), password: String(parts[1].filter { $0 != "\0" }))
    }

    /// The protocol of docker-credential-helpers: the host on standard input, JSON back.
    private func ask(_ helper: String, _ host: String) async throws -> Credentials? {
        guard helper.utf8.allSatisfy({ $0 > 32 && $0 != UInt8(ascii: "/") }),
            let program = Executable.find("docker-credential-\(helper)")
        else {
            throw RegistryError(
                .program, "'\(path ?? "")' names the credential helper '\(helper)', and there is no docker-credential-\(helper)")
        }
        var command = Command(program, ["get"])
        // Where its secrets are it knows from there: a session bus, a key ring, a cloud's variables.
        command.spawn.environment = ProcessInfo.processInfo.environment
        command.input = Array(host.utf8)
        command.outputLimit = 1 << 20
        command.spawn.timeLimit = .seconds(60)
        let result = try await command.run()
        guard !result.isIncomplete else {
            throw RegistryError(
                .program,
                "docker-credential-\(helper) get for \(host): its answer is cut off: it is larger than 1 MiB, or something that it started still runs and holds its output open"
            )
        }
        guard result.status.isSuccess else {
            // How helpers say that they have nothing.
            if result.text.contains("not found") || result.errorText.contains("not found") { return nil }
            throw RegistryError(
                .program, "docker-credential-\(helper) get for \(host): \(result.status): \(result.text)\(result.errorText)")
        }
        guard let answer = try? JSONDecoder().decode(HelperAnswer.self, from: Data(result.output)) else {
            throw RegistryError(.program, "docker-credential-\(helper) answered for \(host) with something else than credentials")
        }
        if answer.Username == "<token>" { return Credentials(user: "", password: "", identityToken: answer.Secret) }
        return Credentials(user: answer.Username, password: answer.Secret)
    }
}
