import FoundationEssentials
import Glibc
public import Layers
import Linux
import OCI

/// Which registries must be signed by which keys: one file, `/etc/dish/policy.json`.
public struct SignaturePolicy: Sendable {
    enum Default: String, Decodable { case accept, reject }

    struct Rule: Decodable, Sendable {
        let prefix: String
        let keys: [String]?
        let accept: Bool?
        let reject: Bool?
    }

    private struct File: Decodable {
        let `default`: Default?
        let registries: [Rule]?
    }

    private let otherwise: Default
    private let rules: [Rule]
    private let path: String

    /// Where it is on this host: `$DISH_POLICY` or `/etc/dish/policy.json`.
    public static var hostPath: String { getenv("DISH_POLICY").map { String(cString: $0) } ?? "/etc/dish/policy.json" }

    /// Reads a policy; without the file everything is accepted.
    ///
    /// - Throws: `RegistryError` `.untrusted` for a file that can't be read, or means nothing: nothing is fetched then.
    public init(_ path: String = SignaturePolicy.hostPath) throws {
        self.path = path
        guard Files.exists(path) else {
            (otherwise, rules) = (.accept, [])
            return
        }
        do {
            let file = try JSONDecoder().decode(File.self, from: Data(Files.read(path)))
            otherwise = file.default ?? .accept
            rules = file.registries ?? []
        } catch {
            throw RegistryError(.untrusted, "the policy '\(path)' can't be read, so nothing is fetched: \(plainReason(error))")
        }
        for rule in rules {
            let said = [rule.keys.map { !$0.isEmpty }, rule.accept, rule.reject].filter { $0 == true }.count
            guard said == 1 else {
                throw RegistryError(
                    .untrusted,
                    "the policy '\(path)' says for '\(rule.prefix)' neither or several of keys, accept and reject, so nothing is fetched"
                )
            }
        }
    }

    /// The rule with the longest prefix that matches whole components of `HOST/NAME`.
    func rule(for name: String) -> Rule? {
        rules.filter { name == $0.prefix || name.hasPrefix($0.prefix.hasSuffix("/") ? $0.prefix : $0.prefix + "/") }
            .max { $0.prefix.utf8.count < $1.prefix.utf8.count }
    }

    /// Decides whether an image that didn't come from a registry may have a name, or a further one: an image of a registry's name is
    /// taken for one that was fetched from there.
    ///
    /// - Parameter others: names that the image has already. What was fetched under a rule may have other names of that rule.
    /// - Throws: `RegistryError` `.untrusted`.
    public func checkName(_ name: String, of others: [String] = []) throws {
        guard let reference = try? Reference(name) else { return }
        func fault(_ why: String) -> RegistryError {
            RegistryError(
                .untrusted, "an image that wasn't fetched as such can't be called '\(name)': \(why); choose another name")
        }
        guard let rule = rule(for: reference.name) else {
            if otherwise == .accept { return }
            throw fault("the policy '\(path)' accepts only what it names")
        }
        if rule.accept == true { return }
        if rule.reject == true { throw fault("the policy '\(path)' rejects the prefix '\(rule.prefix)'") }
        let isTrusted = others.contains { other in
            (try? Reference(other)).flatMap { self.rule(for: $0.name) }?.prefix == rule.prefix
        }
        guard isTrusted else { throw fault("the policy '\(path)' demands signatures for '\(rule.prefix)'; pull it") }
    }

    /// Decides whether a layer of a pool may have a name.
    public func checkName(_ name: String, of layer: LayerID, in pool: Pool) throws {
        try checkName(name, of: pool.allNames().filter { $0.value == layer }.map(\.key))
    }

    /// Decides whether an image may be fetched.
    ///
    /// - Parameter key: its tag or digest in the repository.
    /// - Returns: the digest that was signed, which is what is to be fetched; nil when no signature is asked for.
    /// - Throws: `RegistryError` `.untrusted`.
    func check(_ reference: Reference, at key: String, in repository: some Repository) async throws -> String? {
        guard let rule = rule(for: reference.name) else {
            if otherwise == .accept { return nil }
            throw RegistryError(.untrusted, "'\(reference.name)' is refused: the policy '\(path)' accepts only what it names")
        }
        if rule.accept == true { return nil }
        if rule.reject == true {
            throw RegistryError(.untrusted, "'\(reference.name)' is refused by the policy '\(path)' (prefix '\(rule.prefix)')")
        }
        do {
            return try await Signing.verify(key, in: repository, keys: rule.keys ?? []).description
        } catch let error as RegistryError where error.code == .untrusted {
            throw RegistryError(.untrusted, "\(error); the policy '\(path)' demands it for '\(rule.prefix)'")
        }
    }
}
