import Linux

/// Pressure stall information of one resource, as `/proc/pressure/*` and `*.pressure` of a group have it
/// (Documentation/accounting/psi.rst):
///
/// ```
/// some avg10=0.00 avg60=0.00 avg300=0.00 total=0
/// full avg10=0.00 avg60=0.00 avg300=0.00 total=0
/// ```
public struct Pressure: Sendable, Equatable {
    /// Percent of the last 10, 60 and 300 seconds; microseconds in all.
    public struct Stall: Sendable, Equatable {
        public var average10: Double
        public var average60: Double
        public var average300: Double
        public var total: UInt64
    }

    public var some: Stall
    /// Kernels before 5.13 have none for CPUs.
    public var full: Stall?

    /// Nil for what isn't such a file.
    public init?(_ text: String) {
        var (some, full): (Stall?, Stall?) = (nil, nil)
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "))
            guard let kind = words.first, let stall = Self.stall(words.dropFirst().map { String(Substring($0)) }) else {
                return nil
            }
            switch String(Substring(kind)) {
            case "some": some = stall
            case "full": full = stall
            default: return nil
            }
        }
        guard let some else { return nil }
        (self.some, self.full) = (some, full)
    }

    private static func stall(_ words: [String]) -> Stall? {
        func value(_ key: String) -> Substring? {
            words.first { $0.hasPrefix("\(key)=") }.map { $0.dropFirst(key.utf8.count + 1) }
        }
        guard let average10 = value("avg10").flatMap({ Double($0) }), let average60 = value("avg60").flatMap({ Double($0) }),
            let average300 = value("avg300").flatMap({ Double($0) }), let total = value("total").flatMap({ UInt64($0) })
        else { return nil }
        return Stall(average10: average10, average60: average60, average300: average300, total: total)
    }

    /// - Parameter resource: `cpu`, `memory` or `io`.
    /// - Returns: nil on kernels that keep no account of it.
    public static func ofHost(_ resource: String) -> Pressure? {
        (try? Files.readText("/proc/pressure/\(resource)")).flatMap { Pressure($0) }
    }
}
