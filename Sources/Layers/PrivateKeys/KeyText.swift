import Glibc

/// Keys as text.
enum KeyText {
    /// RFC 7468, and the older forms with headers: `-----BEGIN … PRIVATE KEY-----`, then base64. The mark alone is in every program that
    /// reads such files.
    static func hasPEM(_ content: [UInt8]) -> Bool {
        let mark = Array("PRIVATE KEY".utf8)
        var start = 0
        while let found = find(mark, in: content, from: start) {
            start = found + mark.count
            guard hasBegin(content, before: found) else { continue }
            var rest = content[start...]
            if rest.starts(with: " BLOCK".utf8) { rest = rest.dropFirst(6) }
            guard rest.starts(with: "-----".utf8) else { continue }
            rest = rest.dropFirst(5)
            guard let first = rest.first, isBreak(first) else { continue }
            // In JSON and the like line breaks are written `\n`.
            while let byte = rest.first, isBreak(byte) {
                rest = rest.dropFirst(byte == UInt8(ascii: "\\") ? 2 : 1)
            }
            if isHeader(rest) || rest.prefix(32).count(where: isBase64) == 32 { return true }
        }
        return false
    }

    /// `-----BEGIN `, and perhaps the kind of key in capitals.
    private static func hasBegin(_ content: [UInt8], before end: Int) -> Bool {
        let line = content[max(0, end - 32)..<end]
        let mark = Array("-----BEGIN ".utf8)
        guard let begin = find(mark, in: Array(line), from: 0) else { return false }
        return line.dropFirst(begin + mark.count).allSatisfy { byte in
            byte == UInt8(ascii: " ") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        }
    }

    /// Of RFC 1421 and RFC 4880.
    private static func isHeader(_ text: ArraySlice<UInt8>) -> Bool {
        ["Proc-Type: ", "Version: ", "Comment: ", "DEK-Info: "].contains { text.starts(with: $0.utf8) }
    }

    private static func isBreak(_ byte: UInt8) -> Bool {
        [UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\\")].contains(byte)
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="):
            true
        default: false
        }
    }

    /// `PrivateKey = ` and 44 characters of base64, as wg(8) and systemd.netdev(5) have it.
    static func hasWireGuard(_ content: [UInt8]) -> Bool {
        let name = Array("PrivateKey".utf8)
        var start = 0
        while let found = find(name, in: content, from: start) {
            start = found + name.count
            let rest = content[start...].drop { $0 == UInt8(ascii: " ") }
            guard rest.first == UInt8(ascii: "=") else { continue }
            let value = rest.dropFirst().drop { $0 == UInt8(ascii: " ") }.prefix { isBase64($0) }
            if value.count == 44, value.last == UInt8(ascii: "=") { return true }
        }
        return false
    }

    /// A `key` statement of BIND's, as rndc-confgen(8) and tsig-keygen(8) write it.
    static func hasTSIG(_ content: [UInt8]) -> Bool {
        guard content.count < 1 << 16, contains(content, "algorithm"), contains(content, "hmac-") else { return false }
        let name = Array("secret \"".utf8)
        guard let found = find(name, in: content, from: 0) else { return false }
        return content[(found + name.count)...].prefix { isBase64($0) }.count >= 20
    }

    static func hasLine(_ content: [UInt8], _ start: String) -> Bool {
        content.starts(with: start.utf8) || contains(content, "\n\(start)")
    }

    static func contains(_ content: [UInt8], _ text: String) -> Bool { find(Array(text.utf8), in: content, from: 0) != nil }

    private static func find(_ text: [UInt8], in content: [UInt8], from start: Int) -> Int? {
        // A letter that is rare in programs and texts, which is looked for first.
        let pivot = text.firstIndex(of: UInt8(ascii: "V")) ?? 0
        return content.withUnsafeBytes { bytes -> Int? in
            guard let base = bytes.baseAddress else { return nil }
            var position = start + pivot
            while position < bytes.count {
                guard let hit = memchr(base + position, CInt(text[pivot]), bytes.count - position) else { return nil }
                let found = UnsafeRawPointer(hit) - base - pivot
                guard found + text.count <= bytes.count else { return nil }
                if memcmp(base + found, text, text.count) == 0 { return found }
                position = found + pivot + 1
            }
            return nil
        }
    }
}
