/// Values as people write them: on a command line and in YAML.
extension FieldKind {
    /// - Throws: `FieldFault` without a path: `must be a size like 512M, not 'x'`.
    public func value(of text: String) throws(FieldFault) -> JSONValue {
        let value: JSONValue? =
            switch self {
            case .bytes: text == "0" ? .integer(0) : ByteCount(text).map { .integer(Int64($0.bytes)) }
            case .cores: Self.thousandths(text).map { .integer(Int64($0)) }
            case .count: Int64(text).map { .integer($0) }
            case .seconds: Self.seconds(text).map { JSONValue(seconds: $0) }
            case .flag: text == "true" ? true : text == "false" ? false : nil
            case .word(let words, let older): words.contains(text) ? .text(text) : older[text].map { .text($0) }
            case .text: .text(text)
            case .list, .table, .settings: nil
            }
        guard let value else { throw FieldFault("", "must be \(example), not '\(text)'") }
        do {
            try check(value)
        } catch {
            // The form of a text says itself what it isn't.
            if case .text = self { throw error }
            throw FieldFault("", "\(error.reason), not '\(text)'")
        }
        return value
    }

    /// As people would write a value.
    public func text(of value: JSONValue) -> String {
        switch (self, value) {
        case (.bytes, .integer(let bytes)): Self.size(UInt64(clamping: bytes))
        case (.cores, .integer(let thousandths)): Self.cores(UInt64(clamping: thousandths))
        case (.seconds, .integer(let seconds)): Self.duration(Double(seconds))
        case (.seconds, .number(let seconds)): Self.duration(seconds)
        case (_, .integer(let number)): "\(number)"
        case (_, .number(let number)): "\(number)"
        case (_, .boolean(let boolean)): "\(boolean)"
        case (_, .text(let text)): text
        default: ""
        }
    }

    /// The kind with its bounds: `a size from 1M`, `from 1 to 10000`.
    public var bounds: String {
        switch self {
        case .bytes(let range):
            [
                "a size", range.lowerBound == 0 ? "" : " from \(Self.size(range.lowerBound))",
                // Beyond what anybody has: no bound to speak of.
                range.upperBound >= 1 << 60 ? "" : " up to \(Self.size(range.upperBound))",
            ].joined()
        case .cores(let range): "a number of CPUs from \(Self.cores(range.lowerBound)) to \(Self.cores(range.upperBound))"
        case .count(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .seconds(let range): "a time from \(Self.duration(range.lowerBound)) to \(Self.duration(range.upperBound))"
        case .word(let words, _): "one of \(words.map { "`\($0)`" }.joined(separator: ", "))"
        case .flag: "true or false"
        case .text(let form, _): form.name
        case .list(let element, _): "a list: \(element.bounds)"
        case .table(let names, _, _): "\(names.name) each with a text"
        case .settings(let table): table.about
        }
    }

    private var example: String {
        switch self {
        case .bytes: "a size like 512M or 2G"
        case .cores: "a number of CPUs like 0.5 or 2"
        case .seconds: "a time like 90s, 10m or 2h"
        case .word(let words, _): Self.choice(words)
        default: bounds
        }
    }

    /// As a regular expression of JSON Schema (ECMA 262), for editors; the check is stricter. Nil where there is none.
    public var pattern: String? {
        switch self {
        case .bytes: "^[0-9.]+ ?([KMGTPE]i?)?B?$"
        case .cores: #"^[0-9]+(\.[0-9]+)?$"#
        case .seconds: #"^[0-9]+(\.[0-9]+)?(ms|s|m|h)?$"#
        case .text(let form, _): form.pattern
        default: nil
        }
    }

    private static func isDecimal(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { TextForm.isDigit($0) || $0 == UInt8(ascii: ".") }
    }

    /// Nil also for what isn't zero and would be rounded to zero.
    private static func thousandths(_ text: String) -> UInt64? {
        guard isDecimal(text), let cores = Double(text), cores <= 1e12 else { return nil }
        let thousandths = UInt64((cores * 1000).rounded())
        return thousandths == 0 && cores > 0 ? nil : thousandths
    }

    private static let units: [(name: String, seconds: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]

    /// A number alone is of seconds.
    static func seconds(_ text: String) -> Double? {
        let digits = text.prefix { $0.isNumber || $0 == "." }
        let unit = text.dropFirst(digits.count)
        guard isDecimal(digits), let number = Double(digits),
            let factor = unit.isEmpty ? 1 : units.first(where: { $0.name == unit })?.seconds
        else { return nil }
        // Thousandths are exact in no unit: so they are rounded to what was meant.
        return ((number * factor) * 1000).rounded() / 1000
    }

    /// A size that says exactly what it is: `512M`, `1000`.
    static func size(_ bytes: UInt64) -> String {
        for (unit, shift) in [("E", 60), ("P", 50), ("T", 40), ("G", 30), ("M", 20), ("K", 10)] where bytes > 0 {
            if bytes.trailingZeroBitCount >= shift { return "\(bytes >> UInt64(shift))\(unit)" }
        }
        return "\(bytes)"
    }

    static func cores(_ thousandths: UInt64) -> String {
        let digits = String(thousandths % 1000 + 1000).dropFirst()
        let fraction = digits.prefix(
            digits.lastIndex { $0 != "0" }.map { digits.distance(from: digits.startIndex, to: $0) + 1 } ?? 0)
        return fraction.isEmpty ? "\(thousandths / 1000)" : "\(thousandths / 1000).\(fraction)"
    }

    static func duration(_ seconds: Double) -> String {
        guard seconds == seconds.rounded(), seconds < 1e15 else { return "\(seconds)s" }
        let whole = Int64(seconds)
        for (unit, length) in [("h", Int64(3600)), ("m", 60)] where whole > 0 && whole.isMultiple(of: length) {
            return "\(whole / length)\(unit)"
        }
        return "\(whole)s"
    }
}
