/// What curl(1) reads with `--config`: an option a line, its value in quotes.
struct CurlConfiguration {
    private(set) var text = ""

    mutating func set(_ option: String) { text += "\(option)\n" }

    /// - Throws: `RegistryError` for a value that could not be told apart from what follows it.
    mutating func set(_ option: String, _ value: String) throws {
        guard value.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else {
            throw RegistryError(.invalid, "a control character in '\(option)' of a request: \(value.debugDescription)")
        }
        let quoted = value.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
        text += "\(option) = \"\(quoted)\"\n"
    }
}
