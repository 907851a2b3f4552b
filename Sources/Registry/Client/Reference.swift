public import OCI

/// Where an image is: `HOST[:PORT]/NAME[:TAG][@DIGEST]`, with `docker://` before it or not (distribution-spec, "Pulling
/// manifests"). There is no default host.
public struct Reference: Sendable, Equatable, CustomStringConvertible {
    /// Host and port.
    public let host: String
    public let repository: String
    /// `latest` when nothing is said; nil when only a digest is.
    public let tag: String?
    public let digest: BlobDigest?

    /// - Throws: `RegistryError` `.invalid` with what is wrong.
    public init(_ text: String) throws {
        func fault(_ why: String) -> RegistryError {
            RegistryError(.invalid, "'\(text)' is no reference of an image: \(why); write HOST[:PORT]/NAME[:TAG][@DIGEST]")
        }
        var rest = text[...]
        if rest.hasPrefix("docker://") { rest = rest.dropFirst(9) }
        var digest: BlobDigest?
        if let at = rest.firstIndex(of: "@") {
            do {
                digest = try BlobDigest(String(rest[rest.index(after: at)...]))
            } catch {
                throw fault("\(error)")
            }
            rest = rest[..<at]
        }
        guard let slash = rest.firstIndex(of: "/") else { throw fault("it has no host") }
        let host = rest[..<slash]
        guard host.contains(".") || host.contains(":") || host == "localhost" else {
            throw fault("'\(host)' is no host, which has a dot or a port in it")
        }
        guard
            host.utf8.allSatisfy({
                Self.isName($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "]")
            })
        else { throw fault("'\(host)' is no host") }
        rest = rest[rest.index(after: slash)...]
        var tag: Substring?
        if let colon = rest.lastIndex(of: ":") {
            tag = rest[rest.index(after: colon)...]
            rest = rest[..<colon]
        }
        let components = rest.split(separator: "/", omittingEmptySubsequences: false)
        guard
            components.allSatisfy({ part in
                part.utf8.first.map(Self.isLetterOrDigit) == true && part.utf8.last.map(Self.isLetterOrDigit) == true
                    && part.utf8.allSatisfy { Self.isName($0) && !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
            }), rest.utf8.count <= 255
        else { throw fault("'\(rest)' is no name: use lower-case letters, digits and . _ - / between them") }
        if let tag {
            guard (1...128).contains(tag.utf8.count), tag.utf8.allSatisfy(Self.isName), tag.first != ".", tag.first != "-" else {
                throw fault("'\(tag)' is no tag: use letters, digits and . _ -, 128 at most")
            }
        }
        self.host = String(host)
        repository = String(rest)
        self.tag = tag.map(String.init) ?? (digest == nil ? "latest" : nil)
        self.digest = digest
    }

    /// Without a scheme, and with its tag: what the image is called in a pool.
    public var description: String { name + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "") }

    /// `HOST/NAME`.
    public var name: String { "\(host)/\(repository)" }

    /// What a manifest is asked for by.
    var manifestReference: String { digest?.description ?? tag ?? "latest" }

    /// Whether the host is this one.
    var isLoopback: Bool {
        let name = host.hasPrefix("[") ? host.prefix { $0 != "]" }.dropFirst() : host.prefix { $0 != ":" }
        return HTTPRequest.isLoopback(name)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isName(_ byte: UInt8) -> Bool {
        isLetterOrDigit(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}
