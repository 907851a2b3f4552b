import FoundationEssentials
import Testing

@testable import Layers

struct SnapshotScheduleTests {
    private let hour: Int64 = 3600
    private let day: Int64 = 86400
    /// A Monday: 2026-01-05T00:00:00Z.
    private let monday: Int64 = 1_767_571_200

    private func snapshot(_ created: Int64, scheduled: Bool = true, pinned: Bool = false) throws -> VolumeSnapshot {
        let id = String(repeating: "0", count: 64)
        let text =
            "{\"name\":\"s\(created)\",\"id\":\"\(id)\",\"created\":\(created),\"entries\":0,\"size\":0,\"scheduled\":\(scheduled),\"pinned\":\(pinned)}"
        return try JSONDecoder().decode(VolumeSnapshot.self, from: Data(text.utf8))
    }

    /// What an agent that looks at each of these times leaves.
    private func simulate(_ schedule: SnapshotSchedule, at times: some Sequence<Int64>) throws -> [Int64] {
        var there: [VolumeSnapshot] = []
        for now in times {
            if schedule.plan(there, now: now).isDue { there.append(try snapshot(now)) }
            let expired = schedule.plan(there, now: now).expired
            there.removeAll { expired.contains($0.name) }
        }
        return there.map(\.created).sorted()
    }

    @Test func schedulesAreReadAndShownAlike() throws {
        for text in ["hourly=24", "hourly=24,daily=7,weekly=4,monthly=12", "weekly=1"] {
            #expect(SnapshotSchedule(text)?.description == text)
        }
        for text in [
            "", "hourly", "hourly=0", "hourly=-1", "hourly=2,hourly=3", "yearly=1", "hourly=2,", "daily=x", "daily=10001",
        ] {
            #expect(SnapshotSchedule(text) == nil, "\(text)")
        }
    }

    @Test func eachSlotGetsOneSnapshotAndTheNewestOfEachKindStay() throws {
        let schedule = SnapshotSchedule(hourly: 3, daily: 2, weekly: 2)
        // Three weeks of looking every ten minutes.
        let left = try simulate(schedule, at: stride(from: monday + 100, to: monday + 20 * day, by: 600))
        let last = monday + 19 * day
        let hours = (21...23).map { last + $0 * hour }
        let expected = [monday + 7 * day, monday + 14 * day, monday + 18 * day, last] + hours
        #expect(left.map { $0 / hour * hour } == expected)
    }

    @Test func monthsAreThoseOfTheCalendar() throws {
        let schedule = SnapshotSchedule(monthly: 12)
        // 2023-12-31T12:00Z, then every day of a leap year.
        let left = try simulate(schedule, at: stride(from: 1_704_024_000, through: 1_704_024_000 + 366 * day, by: Int(day)))
        let numbers: [Int64] = [1, 32, 61, 92, 122, 153, 183, 214, 245, 275, 306, 336]
        #expect(left == numbers.map { 1_704_024_000 + $0 * day })
    }

    @Test func aClockThatJumpsAheadTakesOneSnapshotAwayAndBackNone() throws {
        let schedule = SnapshotSchedule(hourly: 24)
        let steady = Array(stride(from: monday, to: monday + day, by: Int(hour)))
        #expect(try simulate(schedule, at: steady).count == 24)
        let ahead = try simulate(schedule, at: steady + [monday + 30 * day])
        #expect(ahead == Array(steady.dropFirst()) + [monday + 30 * day])
        // Back again, within an hour that has one.
        #expect(try simulate(schedule, at: steady + [monday + 30 * day, monday + 23 * hour + 60]) == ahead)
    }

    @Test func anAgentThatWasAwayMakesOneSnapshotNotAllItMissed() throws {
        #expect(try simulate(SnapshotSchedule(hourly: 24), at: [monday, monday + 10 * day]).count == 2)
    }

    @Test func onlyWhatAScheduleMadeIsTakenAway() throws {
        let snapshots = [
            try snapshot(monday), try snapshot(monday + day, pinned: true), try snapshot(monday + 2 * day, scheduled: false),
            try snapshot(monday + 3 * day),
        ]
        let plan = SnapshotSchedule(daily: 1).plan(snapshots, now: monday + 3 * day + hour)
        #expect(plan == .init(isDue: false, expired: ["s\(monday)"]))
        #expect(SnapshotSchedule().plan(snapshots, now: monday).isDue == false)
    }
}
