/// The last lines of what a runtime printed before there was a container: the reason why there is none.
public struct RuntimeComplaint: Sendable {
    private var bytes: [UInt8] = []
    private static let limit = 2048

    public init() {}

    public mutating func add(_ more: [UInt8]) { bytes = Array((bytes + more.suffix(Self.limit)).suffix(Self.limit)) }

    /// Its last three lines in one, without what a terminal would take for commands; nil when nothing was said.
    public var text: String? {
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map { line in
            String(String.UnicodeScalarView(line.unicodeScalars.filter { $0.properties.generalCategory != .control }))
        }
        let said = lines.filter { $0.contains { !$0.isWhitespace } }.suffix(3)
        return said.isEmpty ? nil : said.joined(separator: "; ")
    }
}
