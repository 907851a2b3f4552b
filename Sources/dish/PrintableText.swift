/// Text from elsewhere as one that does nothing to a terminal: it moves no cursor, sends no answer and turns no direction of writing.
/// What would is shown: ESC as `^[`, others as `<U+202E>`. Line ends and tabs stay.
func printable(_ text: String) -> String { replacing(in: text) { $0 != "\n" && $0 != "\t" && actsOnTerminals($0) } }

/// The same in one line.
func oneLine(_ text: String) -> String { replacing(in: text, actsOnTerminals) }

/// The same of bytes that should be text, without the sequences that only choose colours.
func printable(_ bytes: [UInt8]) -> [UInt8] {
    var stream = PrintableStream()
    return stream.clean(bytes) + stream.end()
}

/// The same of bytes that arrive in pieces. Carriage returns before line ends are left out; others stay only where they were asked for.
struct PrintableStream {
    /// Whether a line may be written anew, as what shows progress does.
    var keepsReturns = false
    /// The beginning of a character, or of a sequence of colours.
    private var rest: [UInt8] = []

    /// Longer than any sequence that chooses colours.
    private static let longestRest = 64

    init(keepsReturns: Bool = false) { self.keepsReturns = keepsReturns }

    mutating func clean(_ piece: [UInt8]) -> [UInt8] {
        // As nearly all is.
        if rest.isEmpty, piece.allSatisfy({ 32..<127 ~= $0 || $0 == 10 || $0 == 9 }) { return piece }
        let bytes = rest + piece
        let cut = bytes.count - Self.unfinished(bytes.suffix(Self.longestRest))
        rest = Array(bytes[cut...])
        return shown(bytes[..<cut])
    }

    /// What is left when no more comes.
    mutating func end() -> [UInt8] {
        defer { rest = [] }
        return shown(rest[...])
    }

    private func shown(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        let text = String(decoding: Self.withoutColours(bytes), as: UTF8.self)
        let (lineFeed, tab, carriageReturn): (Unicode.Scalar, Unicode.Scalar, Unicode.Scalar) = ("\n", "\t", "\r")
        return Array(
            replacing(in: text) { scalar in
                scalar != lineFeed && scalar != tab && !(keepsReturns && scalar == carriageReturn) && actsOnTerminals(scalar)
            }.utf8)
    }

    /// How many bytes at the end may go on in the next piece.
    private static func unfinished(_ end: ArraySlice<UInt8>) -> Int {
        if end.last == 13 { return 1 }
        if let escape = end.lastIndex(of: 0x1b) {
            let after = end[(escape + 1)...]
            let isOpen = after.isEmpty || after.first == UInt8(ascii: "[") && after.dropFirst().allSatisfy { 0x30...0x3b ~= $0 }
            if isOpen, end.count < longestRest || escape > end.startIndex { return end.endIndex - escape }
        }
        // RFC 3629: the first byte says how many there are.
        for (index, byte) in end.suffix(3).reversed().enumerated() where byte & 0xc0 != 0x80 {
            let length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
            return index + 1 < length ? index + 1 : 0
        }
        return 0
    }

    /// Takes out what begins with ESC and `[`, has only digits, colons and semicolons, and ends with `m` (ECMA-48, SGR); and a carriage
    /// return before a line end.
    private static func withoutColours(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            if byte == 0x1b, index + 1 < bytes.endIndex, bytes[index + 1] == UInt8(ascii: "[") {
                let end = bytes[(index + 2)...].firstIndex { !(0x30...0x3b ~= $0) }
                if let end, bytes[end] == UInt8(ascii: "m") {
                    index = end + 1
                    continue
                }
            }
            if byte != 13 || index + 1 < bytes.endIndex && bytes[index + 1] != 10 { result.append(byte) }
            index += 1
        }
        return result
    }
}

private func replacing(in text: String, _ isReplaced: (Unicode.Scalar) -> Bool) -> String {
    guard text.unicodeScalars.contains(where: isReplaced) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        guard isReplaced(scalar) else {
            result.append(scalar)
            continue
        }
        // As terminals echo it.
        let shown =
            scalar.value < 32 || scalar.value == 127
            ? "^\(Unicode.Scalar(UInt8(scalar.value) ^ 64))" : "<U+\(hexadecimal(scalar.value))>"
        result.append(contentsOf: shown.unicodeScalars)
    }
    return String(result)
}

private func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}

/// Control characters, those that turn the direction of writing, and those that begin or end something unseen.
private func actsOnTerminals(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<32, 127..<160, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF, 0xE0000...0xE007F: true
    default: false
    }
}
