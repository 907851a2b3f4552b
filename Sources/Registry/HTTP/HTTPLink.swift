/// The `Link` field of an answer (RFC 8288).
enum HTTPLink {
    /// The target of the link with `rel="next"`; nil when there is none.
    static func next(_ field: String) -> String? {
        var rest = field[...]
        while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
            let target = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            let (parameters, after) = split(rest)
            rest = after
            let isNext = parameters.split(separator: ";").contains { parameter in
                let parts = parameter.split(separator: "=", maxSplits: 1).map {
                    $0.filter { $0 != " " && $0 != "\t" && $0 != "\"" }
                }
                return parts.count == 2 && parts[0].lowercased() == "rel" && parts[1].lowercased() == "next"
            }
            if isNext { return String(target) }
        }
        return nil
    }

    /// The parameters of a link, and what comes after the comma that ends them. Commas in quotes end nothing.
    private static func split(_ text: Substring) -> (Substring, Substring) {
        var isQuoted = false
        for index in text.indices {
            if text[index] == "\"" { isQuoted.toggle() }
            if text[index] == ",", !isQuoted { return (text[..<index], text[text.index(after: index)...]) }
        }
        return (text, text[text.endIndex...])
    }

    /// The absolute URL of a reference (RFC 3986, section 5), without anything that goes up in the path.
    static func resolve(_ reference: String, against base: String) -> String {
        if reference.hasPrefix("http://") || reference.hasPrefix("https://") { return reference }
        let origin = HTTPRequest.origin(of: base)
        let scheme = base.hasPrefix("https://") ? "https:" : "http:"
        if reference.hasPrefix("//") { return scheme + reference }
        if reference.hasPrefix("/") { return origin + reference }
        let path = base.prefix { $0 != "?" && $0 != "#" }
        if reference.hasPrefix("?") || reference.isEmpty { return path + reference }
        return String(path[...(path.lastIndex(of: "/") ?? path.startIndex)]) + reference
    }
}
