/// Writes metrics as Prometheus reads them: its text format, version 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/).
struct MetricsText {
    enum Kind: String {
        case counter, gauge, histogram
    }

    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var bytes: [UInt8] = []
    private var family = ""
    private var heading = ""

    /// Begins a metric; one that gets no samples isn't mentioned.
    mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        family = name
        heading = "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
    }

    /// - Parameter labels: of `labels(_:)`, or several of them joined by commas.
    mutating func sample(_ labels: String, _ value: Double?) {
        if let value { write("", labels, Self.number(value)) }
    }

    mutating func sample(_ labels: String, _ value: UInt64?) {
        if let value { write("", labels, "\(value)") }
    }

    mutating func sample(_ labels: String, _ value: Int?) {
        if let value { write("", labels, "\(value)") }
    }

    mutating func sample(_ labels: String, _ value: Bool?) {
        if let value { write("", labels, value ? "1" : "0") }
    }

    /// - Parameters:
    ///   - counts: of observations in each bucket, one more than there are bounds: the last is what was above them all.
    ///   - bounds: upper, ascending.
    mutating func histogram(_ labels: String, _ counts: [UInt64], bounds: [Double], sum: Double) {
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bound = index < bounds.count ? Self.number(bounds[index]) : "+Inf"
            write("_bucket", labels + (labels.isEmpty ? "" : ",") + "le=\"\(bound)\"", "\(total)")
        }
        write("_sum", labels, Self.number(sum))
        write("_count", labels, "\(total)")
    }

    private mutating func write(_ suffix: String, _ labels: String, _ value: String) {
        bytes += heading.utf8
        heading = ""
        bytes += family.utf8
        bytes += suffix.utf8
        if !labels.isEmpty {
            bytes.append(UInt8(ascii: "{"))
            bytes += labels.utf8
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: " "))
        bytes += value.utf8
        bytes.append(UInt8(ascii: "\n"))
    }

    /// Names with their values, which may be any text.
    static func labels(_ pairs: KeyValuePairs<String, String>) -> String {
        pairs.map { "\($0.key)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
    }

    /// By bytes: to String, a carriage return and a line feed are one character.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        let special: (UInt8) -> Bool = { byte in
            byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "\n") || quotes && byte == UInt8(ascii: "\"")
        }
        guard text.utf8.contains(where: special) else { return text }
        var result: [UInt8] = []
        for byte in text.utf8 {
            if special(byte) { result.append(UInt8(ascii: "\\")) }
            result.append(byte == UInt8(ascii: "\n") ? UInt8(ascii: "n") : byte)
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return "\(value)"
    }
}
