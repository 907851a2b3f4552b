/// A number of bytes as people write it: `50M`, `20G`, `1.5GiB`, `4096`. The units are powers of 1024.
public struct ByteCount: Sendable, Hashable, CustomStringConvertible {
    public let bytes: UInt64

    public init(bytes: UInt64) {
        self.bytes = bytes
    }

    /// Nil when it isn't a positive number with one of the units B, K, M, G, T (also `KB`, `KiB`, …), or too large.
    public init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).uppercased()
        guard let power = Self.units.firstIndex(where: { $0.contains(unit) }) else { return nil }
        let factor = UInt64(1) << (10 * UInt64(power))
        if let whole = UInt64(digits) {
            // Exactly: a Double has 53 bits.
            let (product, overflow) = whole.multipliedReportingOverflow(by: factor)
            guard product > 0, product < 1 << 63, !overflow else { return nil }
            bytes = product
        } else {
            guard let value = Double(digits) else { return nil }
            let scaled = value * Double(factor)
            guard scaled >= 1, scaled < 0x1p63 else { return nil }
            bytes = UInt64(scaled)
        }
    }

    /// By the power of 1024.
    private static let units = [
        ["", "B"], ["K", "KB", "KIB"], ["M", "MB", "MIB"], ["G", "GB", "GIB"], ["T", "TB", "TIB"], ["P", "PB", "PIB"],
        ["E", "EB", "EIB"],
    ]

    public var description: String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        if unit == 0 { return "\(bytes) B" }
        let tenths = Int((value * 10).rounded())
        return tenths >= 100 || tenths % 10 == 0
            ? "\((tenths + 5) / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
