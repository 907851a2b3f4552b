import CLinux
import Glibc
import Synchronization

/// A child that another thread may kill: never after it was reaped, when its number may be reused.
final class RunningProcess: Sendable {
    private enum State {
        case idle
        /// - Parameters:
        ///   - leads: whether a process group has its number.
        ///   - passesOn: whether it ends its program when it gets `Spawn.Join.endSignal`.
        case running(pid_t, leads: Bool, passesOn: Bool)
        case cancelled
    }

    private let state = Mutex(State.idle)
    /// Readable once it is cancelled; -1 when nobody can.
    let cancelling: CInt
    private let cancellation: CInt

    init() {
        (cancelling, cancellation) = (-1, -1)
    }

    /// - Parameter isCancellable: whether a cancellation must be heard by poll(2).
    init(isCancellable: Bool) throws {
        guard isCancellable else {
            (cancelling, cancellation) = (-1, -1)
            return
        }
        let pipe = try OwnedFD.pipe()
        cancelling = pipe.reading.release()
        cancellation = pipe.writing.release()
    }

    deinit {
        if cancelling >= 0 { close(cancelling) }
        if cancellation >= 0 { close(cancellation) }
    }

    func start(_ spawn: Spawn) throws -> pid_t {
        try start(leads: spawn.newSession && !spawn.detached) { try spawn.start() }
    }

    /// - Parameter leads: whether it leads a process group.
    func start(leads: Bool, _ body: () throws -> pid_t) throws -> pid_t {
        try state.withLock { state in
            if case .cancelled = state { throw CancellationError() }
<<<<<<< HEAD
            let child = try spawn.start()
            state = .running(child, leads: spawn.newSession && !spawn.detached, passesOn: spawn.join != nil)
=======
            let child = try body()
            state = .running(child, leads: leads)
>>>>>>> 28072720c0fd97f184d7ad715e5724d6cf253932
            return child
        }
    }

    /// A pidfd of it. Without one it is killed.
    func watch(_ child: pid_t) throws -> OwnedFD {
        do {
            return try OwnedFD.ofProcess(child)
        } catch {
            end()
            _ = try wait(child)
            throw error
        }
    }

    func kill() {
        state.withLock { state in
            Self.kill(state)
            if case .cancelled = state { return }
            state = .cancelled
            if cancellation >= 0 { _ = write(cancellation, "x", 1) }
        }
    }

    /// Kills it as `kill` does, but it wasn't cancelled: waiting gives its status.
    func end() {
        state.withLock { Self.kill($0) }
    }

    /// Kills what is left of its process group, if it leads one. It must not have been reaped.
    func endGroup() {
        state.withLock { state in
            if case .running(let child, leads: true, _) = state { Glibc.kill(-child, SIGKILL) }
        }
    }

    private static func kill(_ state: State) {
        guard case .running(let child, let leads, let passesOn) = state else { return }
        Glibc.kill(child, passesOn ? Spawn.Join.endSignal : SIGKILL)
        if leads { Glibc.kill(-child, SIGKILL) }
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

    /// Waits for a time; what hasn't ended by then is killed and left to a thread of its own.
    ///
    /// - Parameters:
    ///   - ending: its pidfd.
    ///   - patience: nil: until it ends.
    /// - Returns: nil when it hasn't ended.
    func wait(_ child: pid_t, _ ending: borrowing OwnedFD, within patience: Duration?) throws -> ExitStatus? {
        if let patience {
            let end = ContinuousClock.now + patience
            var polled = pollfd(fd: ending.number, events: Int16(POLLIN), revents: 0)
            while polled.revents == 0, .now < end {
                let left = (end - .now).components
                poll(&polled, 1, CInt(max(1, left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000)))
            }
            if polled.revents == 0 {
                // Only here is it reaped.
                Glibc.kill(child, SIGKILL)
                try startThread { _ = try? self.wait(child) }
                return nil
            }
        }
        return try wait(child)
    }
}
