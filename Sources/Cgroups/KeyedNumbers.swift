/// A control group's flat keyed file: lines of `KEY NUMBER` (cgroup-v2.rst, "Format"). Looked through by bytes: hundreds are
/// read at a time.
public struct KeyedNumbers: Sendable {
    private let bytes: [UInt8]

    public init(_ text: String) {
        bytes = Array(text.utf8)
    }

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    public subscript(key: String) -> UInt64? {
        let key = Array(key.utf8)
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            let line = bytes[start..<end]
            if line.count > key.count + 1, line[start + key.count] == UInt8(ascii: " "), line.starts(with: key) {
                return number(line[(start + key.count + 1)...])
            }
            start = end + 1
        }
        return nil
    }
}

/// A number that is all there is, but for a line's end; nil for `max` and what else is none.
func number(_ bytes: some Sequence<UInt8>) -> UInt64? {
    var (value, digits): (UInt64, Int) = (0, 0)
    for byte in bytes {
        if byte == UInt8(ascii: "\n") { break }
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
        if overflow || carry { return nil }
        (value, digits) = (sum, digits + 1)
    }
    return digits > 0 ? value : nil
}
