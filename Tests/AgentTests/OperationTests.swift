import AgentAPI
import Glibc
import Linux
import Logging
import Spec
import Synchronization
import Testing

@testable import Agent

/// Operations by themselves: what is told of them, and what cancelling means.
@Suite final class OperationTests {
    private let directory: String

    init() throws {
        directory = "/tmp/dish-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try Files.makeDirectories(directory)
    }

    deinit { try? Files.removeTree(directory) }

    private func operations(_ state: String) -> Operations {
        let logger = Logger(label: "test")
        return Operations(
            stateDirectory: state, events: EventLog(directory: "\(state)/events", logger: logger), logger: logger)
    }

    private func begin(_ operations: Operations, _ isBackground: Bool = true) async throws -> RunningOperation {
        try await operations.begin(.jobApply, on: "/v1/jobs/web", by: "user 0", inBackground: isBackground)
    }

    @Test func whatIsPreferredIsRead() {
        func read(_ headers: String...) -> AsyncPreference { AsyncPreference(headers) }
        #expect(read("respond-async").isAsync && read("respond-async").wait == nil)
        #expect(read("Respond-Async, wait=10").wait == 10 && read("wait=3", "respond-async").wait == 3)
        #expect(read("respond-async; x=1, handling=lenient").isAsync)
        #expect(!read().isAsync && !read("wait=1").isAsync && !read("no-respond-async").isAsync)
        #expect(read("respond-async, wait=x").wait == nil && read("respond-async, wait=-1").wait == nil)
        #expect(read("respond-async, wait=99999999").wait == 86400)
    }

    @Test func oneInTheBackgroundIsToldOfAfterItsEndAndTheOtherIsNot() async throws {
        let operations = operations(directory)
        let kept = try await begin(operations)
        let waitedFor = try await begin(operations, false)
        #expect(await operations.list().count == 2)
        for operation in [kept, waitedFor] { await operations.end(operation, nil, result: ["name": "web"]) }
        let left = await operations.list()
        #expect(left.map(\.id) == [kept.status.id])
        #expect(left[0].state == .done && left[0].result == ["name": "web"] && left[0].ended != nil && !left[0].canCancel)
    }

    @Test func cancellingUndoesOnceAndEndsAsCancelled() async throws {
        let operations = operations(directory)
        let operation = try await begin(operations)
        let undone = Mutex(0)
        await #expect(throws: AgentError.self) { try await operations.cancel(operation.status.id, by: "a") }
        operation.allowCancelling { undone.withLock { $0 += 1 } }
        #expect(operation.status.canCancel)
        #expect(try await operations.cancel(operation.status.id, by: "a").state == .cancelling)
        #expect(try await operations.cancel(operation.status.id, by: "b").state == .cancelling)
        #expect(undone.withLock { $0 } == 1 && !operation.status.canCancel)
        let told = await #expect(throws: AgentError.self) { try await operation.commit() }
        #expect(told?.code == .conflict && told?.message.contains("cancelled by a") == true)
        await operations.end(operation, told, result: nil)
        #expect(operation.status.state == .cancelled)
    }

    @Test func whatHasComeTooFarIsNotCancelledAndSaysWhy() async throws {
        let operations = operations(directory)
        let stop = try await operations.begin(.taskStop, on: "/v1/tasks/web", by: "user 0", inBackground: true)
        let why = await #expect(throws: AgentError.self) { try await operations.cancel(stop.status.id, by: "a") }
        #expect(why?.code == .conflict && why?.message.contains("dish start") == true)
        let apply = try await begin(operations)
        apply.allowCancelling {}
        try await apply.commit()
        await #expect(throws: AgentError.self) { try await operations.cancel(apply.status.id, by: "a") }
        await operations.end(apply, nil, result: nil)
        let over = await #expect(throws: AgentError.self) { try await operations.cancel(apply.status.id, by: "a") }
        #expect(over?.message.contains("has ended") == true)
        let none = await #expect(throws: AgentError.self) { try await operations.cancel("none", by: "a") }
        #expect(none?.code == .notFound)
    }

    @Test func anUndoThatFailsLetsItGoOn() async throws {
        let operations = operations(directory)
        let operation = try await begin(operations)
        operation.allowCancelling { throw AgentError(.failed, "no") }
        await #expect(throws: AgentError.self) { try await operations.cancel(operation.status.id, by: "a") }
        #expect(operation.status.state == .running && operation.cancellation == nil && operation.status.canCancel)
        await operations.end(operation, nil, result: nil)
        #expect(operation.status.state == .done)
    }

    @Test func whatIsBeingCancelledIsDecidedWhenThatIsDone() async throws {
        let operations = operations(directory)
        let operation = try await begin(operations)
        let undoing = ChangeSignal()
        let isOpen = Mutex(false)
        operation.allowCancelling {
            try await undoing.wait(until: .now + .seconds(60)) { !isOpen.withLock { $0 } }
            throw AgentError(.failed, "no")
        }
        let cancelling = Task { try await operations.cancel(operation.status.id, by: "a") }
        while operation.status.state != .cancelling { await Task.yield() }
        async let committed: Void = operation.commit()
        isOpen.withLock { $0 = true }
        undoing.signal()
        await #expect(throws: AgentError.self) { try await cancelling.value }
        // It wasn't, and goes on.
        try await committed
        await operations.end(operation, nil, result: nil)
        #expect(operation.status.state == .done)
    }

    @Test func whoWaitsIsToldOfTheEnd() async throws {
        let operations = operations(directory)
        let operation = try await begin(operations)
        try await operation.wait(until: .now + .milliseconds(10))
        #expect(operation.status.state == .running)
        async let waiting: Void = operation.wait(until: .now + .seconds(60))
        await operations.end(operation, AgentError(.failed, "no room"), result: nil)
        try await waiting
        #expect(operation.status.state == .failed && operation.status.error?.message == "no room")
    }

    @Test func theNextAgentSaysWhatTheLastOneDidNotEnd() async throws {
        let state = directory
        let before = operations(state)
        let (open, closed) = (try await begin(before), try await begin(before))
        await before.end(closed, nil, result: ["a": 1])
        let after = operations(state)
        await after.recover()
        let told = try await after.find(open.status.id).status
        #expect(told.state == .interrupted && told.ended != nil && told.error?.message.contains("/v1/jobs/web") == true)
        #expect(try await after.find(closed.status.id).status.result == ["a": 1])
        // It is said once.
        let third = operations(state)
        await third.recover()
        #expect(try await third.find(open.status.id).status == told)
    }
}
