import Linux
import Testing

/// Reading in the background at a bounded rate.
@Suite struct ReadPaceTests {
    private func read(_ count: Int, _ pace: ReadPace) async throws {
        try await blocking(pace: pace) {
            for _ in 0..<count { try Cancellation.check(reading: 1 << 20) }
        }
    }

    @Test func noMoreIsReadThanTheRateAllows() async throws {
        let begun = ContinuousClock.now
        try await read(5, ReadPace(bytesPerSecond: 20 << 20))
        #expect(ContinuousClock.now - begun >= .milliseconds(240))
        // Threads of one work share its rate.
        let pace = ReadPace(bytesPerSecond: 20 << 20)
        let shared = ContinuousClock.now
        async let first: Void = read(3, pace)
        async let second: Void = read(3, pace)
        _ = try await (first, second)
        #expect(ContinuousClock.now - shared >= .milliseconds(290))
    }

    @Test func workWithoutAPaceDoesNotWait() async throws {
        try await blocking { for _ in 0..<1_000_000 { try Cancellation.check(reading: 1 << 30) } }
    }

    @Test func whoWaitsCanBeCancelled() async throws {
        let pace = ReadPace(bytesPerSecond: 1)
        let work = Task { try await read(1, pace) }
        try await Task.sleep(for: .milliseconds(50))
        work.cancel()
        await #expect(throws: CancellationError.self) { try await work.value }
    }
}
