/// Reading a YAML document: its values, and limits on their number and depth.
struct YAMLDocument: ~Copyable {
    /// Bytes.
    static let sizeLimit = 1 << 20
    /// An alias counts as often as it is used, so that a few lines can't stand for billions of values.
    static let valueLimit = 100_000
    static let depthLimit = 64

    private var events: YAMLEvents
    private var anchors: [String: (node: YAMLNode, values: Int)] = [:]
    private var values = 0
    private var depth = 0

    /// The document in a file's text; nil when it is empty.
    static func read(_ text: String, file: String) throws(ManifestError) -> YAMLNode? {
        guard text.utf8.count <= sizeLimit else {
            throw ManifestError(ManifestError.Place(file: file, line: 1, column: 1), "the file is larger than 1 MiB")
        }
        var document = YAMLDocument(events: YAMLEvents(text, file: file))
        return try document.read()
    }

    private init(events: consuming YAMLEvents) {
        self.events = events
    }

    private mutating func read() throws(ManifestError) -> YAMLNode? {
        guard case .documentStart = try events.next().event else { return nil }
        let root = try value(try events.next())
        let (event, place) = try events.next()
        guard case .end = event else { throw ManifestError(place, "a second document starts here; a file has one") }
        return root
    }

    /// The value that starts with this event.
    private mutating func value(_ start: (event: YAMLEvents.Event, place: ManifestError.Place)) throws(ManifestError) -> YAMLNode
    {
        let before = values
        try count(1, at: start.place)
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else {
            throw ManifestError(start.place, "lists and mappings stand deeper than \(Self.depthLimit) levels in each other")
        }
        let content: YAMLNode.Content
        let name: String?
        switch start.event {
        case .scalar(let text, let isPlain, let anchor): (content, name) = (.scalar(text, isPlain: isPlain), anchor)
        case .listStart(let anchor): (content, name) = (try list(), anchor)
        case .mappingStart(let anchor): (content, name) = (try mapping(), anchor)
        case .alias(let alias):
            guard let target = anchors[alias] else {
                throw ManifestError(start.place, "nothing before this alias has the anchor '&\(alias)'")
            }
            try count(target.values - 1, at: start.place)
            return YAMLNode(content: target.node.content, place: target.node.place)
        case .listEnd, .mappingEnd, .documentStart, .end:
            throw ManifestError(start.place, "not valid YAML: a value is missing")
        }
        let node = YAMLNode(content: content, place: start.place)
        if let name { anchors[name] = (node, values - before) }
        return node
    }

    private mutating func list() throws(ManifestError) -> YAMLNode.Content {
        var entries: [YAMLNode] = []
        while true {
            let next = try events.next()
            if case .listEnd = next.event { return .list(entries) }
            entries.append(try value(next))
        }
    }

    private mutating func mapping() throws(ManifestError) -> YAMLNode.Content {
        var entries: [(key: YAMLNode, value: YAMLNode)] = []
        var keys: Set<String> = []
        while true {
            let next = try events.next()
            if case .mappingEnd = next.event { return .mapping(entries) }
            let key = try value(next)
            if key.isScalar, !keys.insert(key.text).inserted {
                throw key.fail("the key '\(key.text)' stands twice in this mapping")
            }
            entries.append((key, try value(try events.next())))
        }
    }

    private mutating func count(_ more: Int, at place: ManifestError.Place) throws(ManifestError) {
        values += more
        guard values <= Self.valueLimit else {
            throw ManifestError(place, "the file has more than \(Self.valueLimit) values, aliases followed")
        }
    }
}
