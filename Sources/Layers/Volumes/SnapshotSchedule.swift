/// Which snapshots of a volume are made by the clock, and how many of each kind are kept (docs/volumes.md).
///
/// Time is cut into slots: hours, days, weeks from Monday on, months, in UTC. The first snapshot in a slot stands for it.
public struct SnapshotSchedule: Sendable, Codable, Equatable, CustomStringConvertible {
    public var hourly: Int?
    public var daily: Int?
    public var weekly: Int?
    public var monthly: Int?

    public init(hourly: Int? = nil, daily: Int? = nil, weekly: Int? = nil, monthly: Int? = nil) {
        (self.hourly, self.daily, self.weekly, self.monthly) = (hourly, daily, weekly, monthly)
    }

    /// From `hourly=24,daily=7`; nil when it is none.
    public init?(_ text: String) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split(separator: "=", omittingEmptySubsequences: false)
            guard words.count == 2, let count = Int(words[1]), (1...10_000).contains(count) else { return nil }
            switch words[0] {
            case "hourly" where hourly == nil: hourly = count
            case "daily" where daily == nil: daily = count
            case "weekly" where weekly == nil: weekly = count
            case "monthly" where monthly == nil: monthly = count
            default: return nil
            }
        }
    }

    public var description: String {
        [("hourly", hourly), ("daily", daily), ("weekly", weekly), ("monthly", monthly)]
            .compactMap { name, count in count.map { "\(name)=\($0)" } }.joined(separator: ",")
    }

    /// Whether a snapshot is to be made, and which are kept no longer.
    public struct Plan: Sendable, Equatable {
        public let isDue: Bool
        /// Names.
        public let expired: [String]
    }

    /// What is to be done now.
    ///
    /// It counts slots that have a snapshot, not time: a clock that jumps ahead makes one more of them, and takes one
    /// away; one that jumps back finds its slots filled, or fills them.
    ///
    /// - Parameters:
    ///   - snapshots: all of the volume; those that no schedule made, or that are pinned, stay.
    ///   - now: seconds since 1970.
    public func plan(_ snapshots: [VolumeSnapshot], now: Int64) -> Plan {
        let ours = snapshots.filter { $0.scheduled == true }.sorted { ($0.created, $0.name) < ($1.created, $1.name) }
        var isDue = false
        var kept: Set<String> = []
        for (count, slot) in kinds {
            var first: [Int64: String] = [:]
            for snapshot in ours where first[slot(snapshot.created)] == nil { first[slot(snapshot.created)] = snapshot.name }
            if first[slot(now)] == nil { isDue = true }
            kept.formUnion(first.sorted { $0.key > $1.key }.prefix(count).map(\.value))
        }
        return Plan(isDue: isDue, expired: ours.filter { !kept.contains($0.name) && $0.pinned != true }.map(\.name))
    }

    /// How many of each kind, and the number of the slot that a time is in.
    private var kinds: [(count: Int, slot: (Int64) -> Int64)] {
        let all: [(Int?, (Int64) -> Int64)] = [
            (hourly, { Self.floor($0, 3600) }), (daily, { Self.floor($0, 86400) }),
            // The first of January 1970 was a Thursday.
            (weekly, { Self.floor($0 + 3 * 86400, 7 * 86400) }), (monthly, { Self.month(Self.floor($0, 86400)) }),
        ]
        return all.compactMap { count, slot in count.map { ($0, slot) } }
    }

    private static func floor(_ value: Int64, _ size: Int64) -> Int64 {
        value >= 0 ? value / size : (value - size + 1) / size
    }

    /// The number of the month that a day since 1970 is in, in the Gregorian calendar: in eras of 400 years that begin in March.
    private static func month(_ day: Int64) -> Int64 {
        let shifted = day + 719_468
        let era = floor(shifted, 146_097)
        let ofEra = shifted - era * 146_097
        let year = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * year + year / 4 - year / 100)
        return (era * 400 + year) * 12 + (5 * ofYear + 2) / 153
    }
}
