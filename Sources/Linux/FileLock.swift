import CLinux
import Glibc

/// An exclusive advisory lock (flock(2)) on a file, held until this value goes; the kernel drops
/// it when the process ends in any way.
public struct FileLock: ~Copyable, Sendable {
    private let file: OwnedFD

    /// Waits for the lock, creating the file where needed.
    public init(waitingFor path: String) throws(SystemError) {
        let opened = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
        let number = opened.number
        try retryingInterrupts("lock", path) { flock(number, LOCK_EX) }
        file = opened
    }

    private init(file: consuming OwnedFD) {
        self.file = file
    }

    /// Takes the lock if nobody holds it; nil when somebody does.
    public static func acquire(_ path: String) throws(SystemError) -> FileLock? {
        let file = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
        if flock(file.number, LOCK_EX | LOCK_NB) == 0 { return FileLock(file: file) }
        if errno == EWOULDBLOCK { return nil }
        throw SystemError("lock", path)
    }

    /// Whether somebody holds it now; a file that doesn't exist is held by nobody.
    public static func isHeld(_ path: String) -> Bool {
        guard Files.exists(path), let file = try? OwnedFD.open(path, O_RDWR) else { return false }
        return flock(file.number, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}
