import Testing

@testable import Agent

@Suite struct ChangeSignalTests {
    @Test func whoWaitsIsWokenByTheSignal() async throws {
        let signal = ChangeSignal()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { try await signal.wait(until: .now + .seconds(3600)) } }
            group.addTask {
                // Whoever waits from now on is woken by a later one.
                while !Task.isCancelled {
                    signal.signal()
                    try? await Task.sleep(for: .milliseconds(1))
                }
            }
            for _ in 0..<50 { try await group.next() }
            group.cancelAll()
        }
    }

    @Test func aWaitWhoseTimeIsOverEndsAtOnce() async throws {
        let signal = ChangeSignal()
        for _ in 0..<20_000 { try await signal.wait(until: .now) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<1000 { group.addTask { try await signal.wait(until: .now - .seconds(1)) } }
            try await group.waitForAll()
        }
    }

    @Test func aCancelledWaitLeavesNothing() async {
        let signal = ChangeSignal()
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<1000 {
                group.addTask {
                    do {
                        try await signal.wait(until: number % 2 == 0 ? nil : .now + .seconds(3600))
                        return false
                    } catch {
                        return true
                    }
                }
            }
            // Some wait by now, others have not begun.
            group.cancelAll()
            for await wasCancelled in group { #expect(wasCancelled) }
        }
        #expect(signal.waiting == 0)
    }
}
