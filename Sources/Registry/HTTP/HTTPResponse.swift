/// The first lines of an answer.
struct HTTPHead: Sendable {
    let status: Int
    private let fields: [(name: String, value: String)]

    var isSuccess: Bool { (200..<300).contains(status) }

    /// A field's value; the first one where there are several. Names have no case.
    subscript(_ name: String) -> String? {
        let name = name.lowercased()
        return fields.first { $0.name == name }?.value
    }

    /// All values of a field.
    func all(_ name: String) -> [String] {
        let name = name.lowercased()
        return fields.filter { $0.name == name }.map(\.value)
    }

    /// The last head in a dump of them: those of proxies and interim answers come before it.
    ///
    /// - Returns: nil when none is whole.
    init?(dump: [UInt8]) {
        var found: HTTPHead?
        var block: [String] = []
        for line in dump.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let text = String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
            if !text.isEmpty {
                block.append(text)
            } else if !block.isEmpty {
                if let head = HTTPHead(lines: block), head.status >= 200 { found = head }
                block = []
            }
        }
        guard let found else { return nil }
        self = found
    }

    private init?(lines: [String]) {
        let words = lines[0].split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/"), let status = Int(words[1]) else { return nil }
        self.status = status
        fields = lines.dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            return (line[..<colon].lowercased(), String(value))
        }
    }
}

/// An answer.
struct HTTPResponse: Sendable {
    let head: HTTPHead
    /// Empty when it went elsewhere piece by piece.
    let body: [UInt8]
    /// Where it came from, after all redirects.
    let url: String

    /// The beginning of the body as one line, for messages.
    var excerpt: String {
        let text = String(decoding: body.prefix(400), as: UTF8.self)
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
