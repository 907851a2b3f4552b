import CYAML

/// The events of a YAML text, one after the other, as libyaml's parser finds them.
struct YAMLEvents: ~Copyable {
    enum Event {
        /// Plain is what stands without quotes.
        case scalar(String, isPlain: Bool, anchor: String?)
        case alias(String)
        case listStart(anchor: String?)
        case listEnd
        case mappingStart(anchor: String?)
        case mappingEnd
        case documentStart
        case end
    }

    private let file: String
    private let text: UnsafeMutableBufferPointer<UInt8>
    private let parser: UnsafeMutablePointer<yaml_parser_t>

    init(_ source: String, file: String) {
        self.file = file
        text = .allocate(capacity: source.utf8.count)
        _ = text.initialize(from: source.utf8)
        parser = .allocate(capacity: 1)
        precondition(yaml_parser_initialize(parser) == 1, "out of memory")
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, text.baseAddress, text.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        text.deallocate()
    }

    /// The next event and where it starts. Throws what the parser says of a text that is not YAML.
    mutating func next() throws(ManifestError) -> (event: Event, place: ManifestError.Place) {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else { throw failure }
            defer { yaml_event_delete(&event) }
            if let known = Self.event(event) { return (known, place(event.start_mark)) }
        }
    }

    /// Nil for what says nothing about the content.
    private static func event(_ event: yaml_event_t) -> Event? {
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            return .scalar(
                String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self),
                isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE, anchor: name(scalar.anchor))
        case YAML_ALIAS_EVENT: return .alias(name(event.data.alias.anchor) ?? "")
        case YAML_SEQUENCE_START_EVENT: return .listStart(anchor: name(event.data.sequence_start.anchor))
        case YAML_SEQUENCE_END_EVENT: return .listEnd
        case YAML_MAPPING_START_EVENT: return .mappingStart(anchor: name(event.data.mapping_start.anchor))
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_STREAM_END_EVENT, YAML_NO_EVENT: return .end
        default: return nil
        }
    }

    private static func name(_ bytes: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        bytes.map { String(cString: $0) }
    }

    /// libyaml counts lines and columns from 0.
    private func place(_ mark: yaml_mark_t) -> ManifestError.Place {
        ManifestError.Place(file: file, line: mark.line + 1, column: mark.column + 1)
    }

    private var failure: ManifestError {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "it can't be read"
        // A character that YAML doesn't allow is found while reading ahead: only its offset is known.
        let place =
            parser.pointee.error == YAML_READER_ERROR
            ? place(offset: parser.pointee.problem_offset) : place(parser.pointee.problem_mark)
        return ManifestError(place, "not valid YAML: \(problem)")
    }

    private func place(offset: Int) -> ManifestError.Place {
        var (line, column) = (1, 1)
        var previous: Unicode.Scalar?
        for scalar in String(decoding: text.prefix(offset), as: UTF8.self).unicodeScalars {
            if !Self.breaks.contains(scalar) {
                column += 1
            } else if scalar != "\n" || previous != "\r" {
                (line, column) = (line + 1, 1)
            }
            previous = scalar
        }
        return ManifestError.Place(file: file, line: line, column: column)
    }

    /// What ends a line for libyaml; a carriage return and a line feed after it are one end.
    private static let breaks: Set<Unicode.Scalar> = ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]
}
