public import Spec

/// The settings of a task's control groups: limits, and the disks that those of I/O apply to.
public struct CgroupLimits: Sendable, Equatable {
    public var limits: Limits
    /// `MAJOR:MINOR` of whole disks.
    public var disks: [String]

    public init(_ limits: Limits = Limits(), disks: [String] = []) { (self.limits, self.disks) = (limits, disks) }

    /// Microseconds of CPU time in every 100,000; the kernel takes no fewer than 1000, and no more than fit 44 bits.
    var cpuMicroseconds: UInt64? { limits.cpu.map { min(max(10, $0), 1 << 37) * 100 } }

    /// The value of `memory.swap.max`; nil for no limit.
    var swap: UInt64? { limits.memorySwap ?? (limits.memory == nil ? nil : 0) }

    /// The line of `io.max` for a disk; without limits: that lifts them.
    func io(of disk: String) -> String {
        let words = zip(Self.rateWords, Limits.diskRates).map { word, rate in
            word + (limits[keyPath: rate.path].map { "\($0)" } ?? "max")
        }
        return ([disk] + words).joined(separator: " ")
    }

    /// The words of a line of `io.max`, in the order of `Limits.diskRates`.
    private static let rateWords = ["rbps=", "wbps=", "riops=", "wiops="]

    var limitsIO: Bool { Limits.diskRates.contains { limits[keyPath: $0.path] != nil } }
}

/// As a helper is told them: names and values. Helpers of older agents run on, so their names stay.
extension CgroupLimits {
    /// Those that have their default are left out.
    public var settings: [(name: String, value: String)] {
        var list = limits.values.compactMap { name, value -> (name: String, value: String)? in
            switch value {
            // The pool's quota has the one; the others are told by disk.
            case .integer where name.json == "disk" || Limits.diskRates.contains { $0.name == name.json }: nil
            case .integer(let number) where name.json == "memorySwap" && number >= Int64(Limits.most): (name.option, "max")
            case .integer(let number): (name.option, "\(number)")
            case .text(let text): (name.option, text)
            default: nil
            }
        }
        if limitsIO { list += disks.map { ("io", io(of: $0)) } }
        return list
    }

    /// Takes one of `settings` back in. False for what is unknown or misread: that would be no limit.
    public mutating func set(_ name: String, to value: String) -> Bool {
        if name == "io" { return setIO(value) }
        guard let field = Limits.fields.first(where: { $0.name.option == name })?.name else { return false }
        let unlimited = name == "memory-swap" && value == "max"
        let number = unlimited ? Int64(Limits.most) : Int64(value)
        return limits.set(field, to: field.json == "cpuset" ? .text(value) : number.map { .integer($0) } ?? .null)
    }

    private mutating func setIO(_ line: String) -> Bool {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 5 else { return false }
        let numbers = words[0].split(separator: ":", omittingEmptySubsequences: false)
        guard numbers.count == 2, numbers.allSatisfy({ UInt32($0) != nil }) else { return false }
        for (place, rate) in Limits.diskRates.enumerated() {
            let (prefix, word) = (Self.rateWords[place], words[place + 1])
            guard word.hasPrefix(prefix) else { return false }
            let value = word.dropFirst(prefix.utf8.count)
            if value == "max" { continue }
            guard let number = Int64(value), limits.set(FieldName(rate.name), to: .integer(number)) else { return false }
        }
        disks.append(String(words[0]))
        return true
    }
}
