import Synchronization
import Testing

@testable import Agent

@Suite struct ScheduleRunsTests {
    @Test func oneThatTakesLongKeepsNoOtherWaitingAndIsntBegunAgain() async {
        let runs = ScheduleRuns(patience: .milliseconds(20))
        let begun = Mutex<[String: Int]>([:])
        let body: @Sendable (String) async -> Void = { name in
            begun.withLock { $0[name, default: 0] += 1 }
            if name == "long" { try? await Task.sleep(for: .seconds(3600)) }
        }
        for round in 1...3 {
            await runs.begin(["a", "long", "b"], body)
            #expect(begun.withLock { $0 } == ["a": round, "long": 1, "b": round])
        }
        await runs.cancel()
        var count = 1
        for _ in 0..<1000 where count == 1 {
            await runs.begin(["long"], body)
            try? await Task.sleep(for: .milliseconds(10))
            count = begun.withLock { $0["long"] ?? 0 }
        }
        #expect(count == 2)
        await runs.cancel()
    }
}
