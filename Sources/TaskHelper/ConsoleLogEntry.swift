/// A line of a console log in the CRI log format: `TIME STREAM P|F TEXT`.
public struct ConsoleLogEntry: Sendable {
    public let time: String
    public let isErrors: Bool
    /// Whether the line goes on in the next entry.
    public let isPartial: Bool
    /// As the task wrote it.
    public let text: ArraySlice<UInt8>

    /// Nil for what is no such line.
    public init?(_ line: ArraySlice<UInt8>) {
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4 else { return nil }
        let words = fields.prefix(3).map { String(decoding: $0, as: UTF8.self) }
        guard ["stdout", "stderr"].contains(words[1]), ["P", "F"].contains(words[2]) else { return nil }
        (time, isErrors, isPartial, text) = (words[0], words[1] == "stderr", words[2] == "P", fields[3])
    }
}
