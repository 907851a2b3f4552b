import ArgumentParser

/// The parser's message about an option that there isn't, with a better guess at what was meant: options that begin so, as `--memory` for
/// `--mem`, come before those that are spelt alike, and what is spelt quite differently isn't suggested.
enum OptionSuggestion {
    /// - Parameter text: the parser's, for people.
    static func improve(_ text: String) -> String {
        guard let match = text.firstMatch(of: /Unknown option '(--[A-Za-z0-9-]+)(?:=[^']*)?'(\.? Did you mean '[^']+'\?)?/),
            let help = text.firstMatch(of: /See '(?<command>dish[^']*) --help'/)
        else { return text }
        let unknown = String(match.1)
        let words = help.command.split(separator: " ").dropFirst().map(String.init)
        guard let guess = guess(unknown, among: options(of: words)) else {
            return match.2.map { text.replacing(String($0), with: "") } ?? text
        }
        let found = String(match.0)
        let asked = match.2.map { found.replacing(String($0), with: "") } ?? found
        return text.replacing(found, with: "\(asked). Did you mean '\(guess)'?")
    }

    /// The option that somebody meant; nil for none that is near.
    static func guess(_ unknown: String, among options: [String]) -> String? {
        let beginning = options.filter { unknown.utf8.count > 2 && $0.hasPrefix(unknown) }
        if let short = beginning.min(by: { ($0.utf8.count, $0) < ($1.utf8.count, $1) }) { return short }
        let near = options.map { ($0, distance(Array(unknown.utf8), Array($0.utf8))) }.min { ($0.1, $0.0) < ($1.1, $1.0) }
        guard let near, near.1 <= max(1, (unknown.utf8.count - 2) / 3) else { return nil }
        return near.0
    }

    /// The long options of a command, from its help.
    private static func options(of words: [String]) -> [String] {
        var command: any ParsableCommand.Type = Dish.self
        for word in words {
            let below = command.configuration.subcommands + command.configuration.groupedSubcommands.flatMap(\.subcommands)
            guard let next = below.first(where: { $0.configuration.commandName == word }) else { break }
            command = next
        }
        let help = Dish.helpMessage(for: command) + Dish.helpMessage(for: Dish.self)
        let lines = help.split(separator: "\n").filter { $0.hasPrefix("  -") }
        return Set(lines.flatMap { line in line.prefix { $0 != "<" }.matches(of: /--[a-z][a-z0-9-]*/).map { String($0.0) } })
            .sorted()
    }

    /// Counts the letters that must be put in, taken away or changed (Levenshtein).
    private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var row = Array(0...second.count)
        for (index, letter) in first.enumerated() {
            var corner = row[0]
            row[0] = index + 1
            for (place, other) in second.enumerated() {
                let change = corner + (letter == other ? 0 : 1)
                corner = row[place + 1]
                row[place + 1] = min(change, corner + 1, row[place] + 1)
            }
        }
        return row[second.count]
    }
}
