/// Text from elsewhere as one that does nothing to a terminal: it moves no cursor, sends no answer and turns no direction of writing.
/// What would is shown: ESC as `^[`, others as `<U+202E>`. Line ends and tabs stay.
func printable(_ text: String) -> String { replacing(in: text) { $0 != "\n" && $0 != "\t" && actsOnTerminals($0) } }

/// The same in one line.
func oneLine(_ text: String) -> String { replacing(in: text, actsOnTerminals) }

/// The same of bytes that should be text, without the sequences that only choose colours.
func printable(_ bytes: [UInt8]) -> [UInt8] {
    // As nearly all is.
    if bytes.allSatisfy({ 32..<127 ~= $0 || $0 == 10 || $0 == 9 }) { return bytes }
    return Array(printable(String(decoding: withoutColours(bytes), as: UTF8.self)).utf8)
}

/// Takes out what begins with ESC and `[`, has only digits, colons and semicolons, and ends with `m` (ECMA-48, SGR); and a carriage return
/// before a line end.
private func withoutColours(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
        let byte = bytes[index]
        if byte == 0x1b, index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "[") {
            let end = bytes[(index + 2)...].firstIndex { !(0x30...0x3b ~= $0) }
            if let end, bytes[end] == UInt8(ascii: "m") {
                index = end + 1
                continue
            }
        }
        if byte != 13 || index + 1 < bytes.count && bytes[index + 1] != 10 { result.append(byte) }
        index += 1
    }
    return result
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
