import Glibc
import Linux
import Synchronization
import Testing

@Suite struct FileLockTests {
    @Test func aLockHasOneHolder() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/lock"
            #expect(!FileLock.isHeld(path))
            do {
                guard let lock = try FileLock.acquire(path) else { throw Taken() }
                #expect(FileLock.isHeld(path))
                #expect(try !canTake(path))
                _ = consume lock
            }
            // A program that another test starts may keep the descriptor for a moment, until its exec.
            while FileLock.isHeld(path) { try await Task.sleep(for: .milliseconds(1)) }
            #expect(try canTake(path))
        }
    }

    @Test func askingWhetherALockIsHeldNeverTakesItFromAnybody() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/lock"
            try Files.replace(path, with: [])
            let flag = Flag()
            defer { flag.isDone.store(true, ordering: .relaxed) }
            // A thread of its own: it would keep a thread of the pool from other tests.
            try startThread { while !flag.isDone.load(ordering: .relaxed) { _ = FileLock.isHeld(path) } }
            for _ in 0..<2000 {
                // Who takes it for a moment would be seen by another who asks.
                #expect(!FileLock.isHeld(path))
            }
        }
    }

    @Test func whoWaitsForALockGetsItWhenItIsFree() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/lock"
            guard let first = try FileLock.acquire(path) else { throw Taken() }
            async let second: Void = blocking { _ = try FileLock(waitingFor: path) }
            try await Task.sleep(for: .milliseconds(20))
            _ = consume first
            try await second
        }
    }

    @Test func aChildDoesNotKeepALock() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/lock"
            guard let lock = try FileLock.acquire(path) else { throw Taken() }
            // A child keeps nothing of it: the descriptor is closed on exec.
            let child = try Spawn("/bin/sleep", ["60"]).start()
            _ = consume lock
            // The child is still there; so would be its lock.
            for _ in 0..<1000 where FileLock.isHeld(path) { try await Task.sleep(for: .milliseconds(1)) }
            #expect(!FileLock.isHeld(path))
            kill(child, SIGKILL)
            _ = try ExitStatus.wait(for: child)
        }
    }

    @Test func aLockFileThatCannotBeMadeIsAnError() {
        let error = #expect(throws: SystemError.self) { _ = try FileLock.acquire("/nonexistent/lock") }
        #expect(error?.code == ENOENT)
    }

    private final class Flag: Sendable {
        let isDone = Atomic(false)
    }

    private struct Taken: Error {}

    private func canTake(_ path: String) throws -> Bool {
        let lock = try FileLock.acquire(path)
        switch lock {
        case .some: return true
        case .none: return false
        }
    }
}
