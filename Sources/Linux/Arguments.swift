/// The arguments of another program, built one after the other:
/// `Arguments("show").flag("no-pager").option("lines", 20).end("web.service")` is `show --no-pager --lines=20 -- web.service`.
public struct Arguments: Sendable, Equatable {
    public private(set) var list: [String]

    public init(_ words: String...) { list = words }

    /// Words as they are: a subcommand, an option of one letter, a path.
    public consuming func words(_ words: String...) -> Arguments { self.words(words) }

    public consuming func words(_ words: [String]) -> Arguments {
        list += words
        return self
    }

    /// Options without a value: `--quiet`.
    ///
    /// - Parameter condition: false to leave them out.
    public consuming func flag(_ names: String..., if condition: Bool = true) -> Arguments {
        if condition { list += names.map { "--\($0)" } }
        return self
    }

    /// An option with its value in the same argument: `--directory=/srv`.
    ///
    /// - Parameter value: nil to leave it out.
    public consuming func option(_ name: String, _ value: (some CustomStringConvertible)?) -> Arguments {
        if let value { list.append("--\(name)=\(value)") }
        return self
    }

    /// The same option once for each value.
    public consuming func options(_ name: String, _ values: [String]) -> Arguments {
        list += values.map { "--\(name)=\($0)" }
        return self
    }

    /// An option with its value in an argument of its own, for programs that take no other form: `--data single`.
    ///
    /// - Parameter value: nil to leave it out.
    public consuming func pair(_ name: String, _ value: (some CustomStringConvertible)?) -> Arguments {
        if let value { list += ["--\(name)", "\(value)"] }
        return self
    }

    /// The same pair once for each value.
    public consuming func pairs(_ name: String, _ values: [String]) -> Arguments {
        list += values.flatMap { ["--\(name)", $0] }
        return self
    }

    /// The end of the options, and words that are none whatever they begin with.
    public consuming func end(_ words: String...) -> Arguments { end(words) }

    public consuming func end(_ words: [String]) -> Arguments {
        list.append("--")
        list += words
        return self
    }
}

extension Command {
    public init(_ program: String, _ arguments: Arguments) { self.init(program, arguments.list) }
}

extension Spawn {
    public init(_ program: String, _ arguments: Arguments, environment: [String: String] = Spawn.plainEnvironment) {
        self.init(program, arguments.list, environment: environment)
    }
}
