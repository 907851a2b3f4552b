import Manifest
import Testing

/// Times as people write them to `--since` and `--until`.
@Suite struct PointInTimeTests {
    /// 2026-01-31T12:00:00Z.
    private let now: Int64 = 1_769_860_800_000

    @Test(
        arguments: [
            ("1h", 3_600_000), ("-1h", 3_600_000), ("1 hour ago", 3_600_000), ("90s", 90_000), ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1.5h", 5_400_000), ("2d", 172_800_000), ("2 days ago", 172_800_000), ("1w", 604_800_000), ("500ms", 500),
            ("+10m", -600_000),
            ("0s", 0), ("now", 0), ("10min", 600_000),
        ] as [(String, Int64)])
    func aSpanIsSoLongAgo(_ text: String, _ before: Int64) { #expect(PointInTime(text, now: now)?.milliseconds == now - before) }

    @Test(
        arguments: [
            ("2026-01-31T12:00:00Z", 1_769_860_800_000), ("2026-01-31T12:00:00.5Z", 1_769_860_800_500),
            ("2026-01-31T12:00:00.123456789Z", 1_769_860_800_123), ("2026-01-31 13:00:00+01:00", 1_769_860_800_000),
            ("2026-01-31T06:30-0530", 1_769_860_800_000), ("2026-01-31 12:00 UTC", 1_769_860_800_000),
            ("@1769860800", 1_769_860_800_000),
        ] as [(String, Int64)])
    func aDateIsWhenItSays(_ text: String, _ expected: Int64) { #expect(PointInTime(text, now: now)?.milliseconds == expected) }

    /// In this host's time zone, whatever that is.
    @Test func daysBeginAtMidnight() throws {
        let today = try #require(PointInTime("today", now: now))
        #expect(PointInTime("2026-01-31", now: now) == today || PointInTime("2026-02-01", now: now) == today)
        #expect(try #require(PointInTime("yesterday", now: now)).milliseconds < today.milliseconds)
        #expect(try #require(PointInTime("00:00", now: now)) == today)
        #expect(PointInTime("today 1", now: now) == nil)
    }

    @Test(arguments: [
        "", "-", "h", "1", "1x", "1h ago ago", "--1h", "ago", "2026-13-01", "2026-1-1", "2026-01-31T25:00Z", "2026-01-31T12Z",
        "@", "@x",
        "1e9h", "99999999999999h", "12:61", "yesterday-ish", "1h-", "2026-01-31T12:00:00+99:00", "١h",
    ])
    func whatIsNoTimeIsRefused(_ text: String) { #expect(PointInTime(text, now: now) == nil) }
}
