/// The name of a setting, which is the same everywhere and only spelled as each place has it.
public struct FieldName: Sendable, Hashable, CustomStringConvertible {
    /// As JSON has it: `memoryMin`.
    public let json: String

    public init(_ json: String) { self.json = json }

    /// As YAML has it: `memory_min`.
    public var key: String { words.joined(separator: "_") }

    /// As a command line has it, without the dashes before it: `memory-min`.
    public var option: String { words.joined(separator: "-") }

    /// In a sentence: `memory min`.
    public var spoken: String { words.joined(separator: " ") }

    public var description: String { json }

    private var words: [String] {
        var words = [""]
        for character in json {
            if character.isUppercase { words.append("") }
            words[words.count - 1] += character.lowercased()
        }
        return words
    }
}

/// A value that a setting can't have. Whoever talks to people says which setting it is, in the words of the place where it was written.
public struct FieldFault: Error, Equatable {
    /// Names and indices from the outermost settings inwards: `limits.memoryMin`, `health[0].tcp`; empty for the settings themselves.
    public var path: String
    /// The fault, to be read after the name: `must be a size like 512M, not 'x'`.
    public let reason: String

    public init(_ path: String = "", _ reason: String) { (self.path, self.reason) = (path, reason) }

    /// The reason with the setting's name before it, where it doesn't begin with the value.
    public func sentence(_ name: String) -> String { reason.hasPrefix("'") ? reason : "\(name) \(reason)" }

    /// The same fault seen from outside.
    func inside(_ name: String) -> FieldFault {
        FieldFault(path.isEmpty ? name : path.hasPrefix("[") ? name + path : "\(name).\(path)", reason)
    }
}
