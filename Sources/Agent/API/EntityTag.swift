import AgentAPI
import FoundationEssentials
import Layers
import Linux

/// An ETag (RFC 9110, section 8.8.3): the digest of what is told of something. Who sends it back with a change is refused
/// when anything of it is different by then.
struct EntityTag: Sendable, Equatable {
    let text: String

    init(of content: some Collection<UInt8>) {
        text = "\"\(hexadecimal(ContentHash.bytes(content).prefix(12)))\""
    }

    /// - Parameter value: what the API answers with when it is asked for.
    init(describing value: some Encodable) throws { self.init(of: try encodeAnswer(value)) }

    /// Whether a header's list of tags, or `*`, has it. Tags of ours are strong, so a weak one is none of them.
    func isIn(_ header: String) -> Bool {
        header.split(separator: ",").contains { part in
            let tag = part.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed()
            return String(tag) == "*" || String(tag) == text
        }
    }
}

/// What a change asks of the thing before it is changed: the header `If-Match`.
struct Precondition: Sendable {
    /// Nil: it may be as it likes.
    let tags: String?

    static let none = Precondition(tags: nil)

    /// - Parameter current: what the API tells of it; nil when there is none.
    /// - Throws: `AgentError` `.changed`.
    func check(_ what: String, _ current: (some Encodable)?) throws {
        guard let tags else { return }
        if let current, try EntityTag(describing: current).isIn(tags) { return }
        throw AgentError(
            .changed,
            current == nil
                ? "\(what) isn't there, so it can't be as If-Match says"
                : "\(what) has changed since it was looked at; look again, and decide again")
    }
}
