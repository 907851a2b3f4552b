import Testing

@testable import Agent

@Suite struct ChangeSignalTests {
    @Test func whoWaitsIsWokenByTheSignal() async {
        let signal = ChangeSignal()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { await signal.wait(until: .now + .seconds(3600)) } }
            group.addTask {
                // Whoever waits from now on is woken by a later one.
                while !Task.isCancelled {
                    signal.signal()
                    try? await Task.sleep(for: .milliseconds(1))
                }
            }
            for _ in 0..<50 { await group.next() }
            group.cancelAll()
        }
    }

    @Test func aWaitWhoseTimeIsOverEndsAtOnce() async {
        let signal = ChangeSignal()
        for _ in 0..<20_000 { await signal.wait(until: .now) }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<1000 { group.addTask { await signal.wait(until: .now - .seconds(1)) } }
        }
    }
}
