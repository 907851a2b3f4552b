import Cgroups
import Linux
import Spec
import TaskHelper

/// Values to try formats with.
enum RandomRecords {
    /// Text of letters, separators of the formats, and characters that Swift joins to the one before.
    static func text() -> String {
        let pieces = ["a", "=", "\r", " ", ":", "é", "\u{338}", "\u{200d}", "👩", "/", "-", "0", "\t"]
        return (0..<Int.random(in: 0...12)).map { _ in pieces.randomElement()! }.joined()
    }

    static func identity() -> ProcessIdentity {
        ProcessIdentity("\(Int32.random(in: 1 ... .max)):\(UInt64.random(in: 0 ... .max))")!
    }

    static func running() -> RunningRecord {
        RunningRecord(
            generation: .random(in: 1 ... .max), phase: [.starting, .running, .stopping].randomElement()!, boot: "b" + text(),
            helper: identity(), runtime: identity(),
            leader: Bool.random() ? identity() : nil, cgroups: (0..<Int.random(in: 0...3)).map { _ in "/" + text() })
    }

    static func exit() -> ExitRecord {
        ExitRecord(
            generation: .random(in: 1 ... .max),
            status: Bool.random() ? .code(.random(in: 0...255)) : .signal(.random(in: 1...64)), outOfMemory: .random(),
            at: .random(in: .min ... .max),
            // Ends of lines become blanks.
            message: Bool.random() ? ("m" + text()).split(whereSeparator: \.isNewline).joined(separator: " ") : nil,
            isAbandoned: .random())
    }

    static func limits() -> CgroupLimits {
        var limits = CgroupLimits()
        for field in Limits.table.fields where Bool.random() && field.name.json != "disk" {
            let value: JSONValue =
                switch field.kind {
                case .bytes(let range), .cores(let range): .integer(Int64(UInt64.random(in: range)))
                case .count(let range): .integer(.random(in: range))
                default: "0-3,6"
                }
            _ = limits.limits.set(field.name, to: value)
        }
        // The limits of I/O are told by disk.
        let rates = [limits.limits.ioReadBps, limits.limits.ioWriteBps, limits.limits.ioReadIops, limits.limits.ioWriteIops]
        if rates.contains(where: { $0 != nil }) { limits.disks = ["8:0", "259:1"] }
        return limits
    }

    static func bytes(upTo count: Int) -> [UInt8] { (0..<Int.random(in: 0...count)).map { _ in .random(in: 0...255) } }

    static func message() -> HelperMessage {
        switch Int.random(in: 0..<13) {
        case 0: .watch
        case 1: .attach
        case 10: .start
        case 11: .limits(limits())
        case 12: .limitsSet(refusal: text())
        case 2: .input(bytes(upTo: 100))
        case 3: .windowSize(rows: .random(in: 0 ... .max), columns: .random(in: 0 ... .max))
        case 4: .signal(.random(in: 0...255))
        case 5: .stop(seconds: .random(in: 0 ... .max))
        case 6: .state(running())
        case 7: .output(bytes(upTo: 100))
        case 8: .errors(bytes(upTo: 100))
        default: .exited(exit())
        }
    }
}
