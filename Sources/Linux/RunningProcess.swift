import Glibc
import Synchronization

/// A child that another thread may kill: never after it was reaped, when its number may be reused.
final class RunningProcess: Sendable {
    private enum State {
        case idle
        case running(pid_t)
        case cancelled
    }

    private let state = Mutex(State.idle)

    func start(_ spawn: Spawn) throws -> pid_t {
        try state.withLock { state in
            if case .cancelled = state { throw CancellationError() }
            let child = try spawn.start()
            state = .running(child)
            return child
        }
    }

    func kill() {
        state.withLock { state in
            if case .running(let child) = state { Glibc.kill(child, SIGKILL) }
            state = .cancelled
        }
    }

    /// Kills it as `kill` does, but it wasn't cancelled: waiting gives its status.
    func end() {
        state.withLock { state in
            if case .running(let child) = state { Glibc.kill(child, SIGKILL) }
        }
    }

    var isCancelled: Bool {
        state.withLock { state in
            if case .cancelled = state { return true }
            return false
        }
    }

    /// Waits without reaping, then reaps under the lock.
    func wait(_ child: pid_t) throws -> ExitStatus {
        var info = siginfo_t()
        try retryingInterrupts("wait for process", String(child)) {
            waitid(P_PID, id_t(child), &info, WEXITED | WNOWAIT)
        }
        return try state.withLock { state in
            let status = try ExitStatus.wait(for: child)
            if case .cancelled = state { throw CancellationError() }
            state = .idle
            return status
        }
    }
}
