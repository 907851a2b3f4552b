/// A key of `auths` in Docker's `config.json`: a host, with a port or not, with the path of a namespace or a repository as Podman has
/// it, or the URL of the registry's interface as older versions of Docker have it.
struct CredentialKey: Equatable {
    /// Host and port, in lower case, without the port that HTTPS has anyway.
    let host: String
    /// Components that the repository's name begins with; empty for all of the host.
    let path: [Substring]

    init(_ key: String) {
        var rest = key[...]
        var isURL = false
        for scheme in ["https://", "http://"] where rest.lowercased().hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
            isURL = true
        }
        let parts = rest.split(separator: "/")
        host = Self.canonical(rest.first == "/" ? "" : parts.first ?? "")
        var path = parts.dropFirst()
        // `https://HOST/v1/` and `/v2/`: where the interface is. A namespace is hardly called so.
        if let first = path.first, first == "v1" || first == "v2", isURL || path.count == 1 { path = path.dropFirst() }
        self.path = Array(path)
    }

    static func canonical(_ host: some StringProtocol) -> String {
        let host = host.lowercased()
        return host.hasSuffix(":443") ? String(host.dropLast(4)) : host
    }

    private func matches(_ host: String, _ repository: [Substring]) -> Bool {
        self.host == host && repository.starts(with: path)
    }

    /// Those keys that are for a repository, that which says most of it first. Of equals, one that is the host and nothing else comes
    /// first, and then the one that comes first in the alphabet.
    static func matching(_ keys: some Sequence<String>, _ reference: Reference) -> [String] {
        let host = canonical(reference.host)
        let repository = reference.repository.split(separator: "/")
        let found = keys.map { (text: $0, key: CredentialKey($0)) }.filter { $0.key.matches(host, repository) }
        return found.sorted { left, right in
            if left.key.path.count != right.key.path.count { return left.key.path.count > right.key.path.count }
            let (isLeftPlain, isRightPlain) = (!left.text.contains("/"), !right.text.contains("/"))
            return isLeftPlain != isRightPlain ? isLeftPlain : left.text < right.text
        }.map(\.text)
    }
}
