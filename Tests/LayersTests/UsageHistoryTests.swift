import Testing

@testable import Layers

struct UsageHistoryTests {
    private let gibibyte: UInt64 = 1 << 30

    private func history(hours: Int, from room: UInt64, less: Int64) -> UsageHistory {
        var history = UsageHistory()
        for step in 0..<hours * 6 {
            let used = Int64(step) * less / 6
            history.add(
                .init(
                    time: 1_700_000_000 + Int64(step) * 600, total: 100 * gibibyte, available: UInt64(Int64(room) - used),
                    data: 0,
                    metadata: 0))
        }
        return history
    }

    @Test func aPoolThatFillsEvenlyIsFullWhenItsRoomIsGone() throws {
        let history = history(hours: 48, from: 50 * gibibyte, less: Int64(gibibyte) / 4)
        let forecast = try #require(history.forecast)
        #expect(abs(forecast.bytesPerDay - 6 * Int64(gibibyte)) < 1 << 20)
        let last = try #require(history.samples.last)
        let left = try #require(forecast.fullAt) - last.time
        // 38 GiB at 6 a day.
        #expect(abs(left - Int64(last.available / gibibyte) * 14_400) < 14_400)
    }

    @Test func onePoolThatEmptiesOrIsYoungHasNoEnd() throws {
        #expect(try #require(history(hours: 10, from: 50 * gibibyte, less: -(1 << 20)).forecast).fullAt == nil)
        #expect(UsageHistory().forecast == nil)
        var young = UsageHistory()
        for time in [0, 600, 1200] as [Int64] { young.add(.init(time: time, total: 10, available: 5, data: 1, metadata: 1)) }
        #expect(young.forecast == nil)
    }

    @Test func oldSamplesAreCoarserAndThereIsAnEndToThem() {
        var history = UsageHistory()
        for step in 0..<500 as Range<Int64> {
            history.add(.init(time: 1_700_000_000 + step * 10_000, total: 1, available: 1, data: 0, metadata: 0))
        }
        #expect(history.samples.count < 30 * 86400 / 10_000 + 40)
        #expect(zip(history.samples, history.samples.dropFirst()).allSatisfy { $0.time < $1.time })
        #expect(history.samples.last.map { $0.time - history.samples[0].time > 55 * 86400 } == true)
    }

    @Test func aClockThatWasSetBackIsFollowed() {
        var history = UsageHistory()
        for time in [1000, 5000, 9000, 2000] as [Int64] {
            #expect(history.isDue(at: time))
            history.add(.init(time: time, total: 1, available: 1, data: 0, metadata: 0))
        }
        #expect(history.samples.map(\.time) == [1000, 2000])
        #expect(!history.isDue(at: 2599))
    }
}
