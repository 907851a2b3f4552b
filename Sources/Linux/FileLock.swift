import CLinux
import Glibc

/// An exclusive advisory lock on a file, held until this value goes; the kernel drops it when the process ends in any
/// way.
///
/// It is an open file description lock (fcntl_locking(2)): unlike flock(2), whether somebody holds it can be asked
/// without taking it for a moment, in which its owner-to-be would be refused.
public struct FileLock: ~Copyable, Sendable {
    private let file: OwnedFD

    /// Waits for the lock, creating the file where needed.
    public init(waitingFor path: String) throws(SystemError) {
        while true {
            let opened = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
            let number = opened.number
            try retryingInterrupts("lock", path) { Self.control(number, DISH_F_OFD_SETLKW).result }
            // Who held it may have removed the file: then nobody else will ever find this one.
            var (locked, named) = (stat(), stat())
            guard fstat(number, &locked) == 0, stat(path, &named) == 0, locked.st_ino == named.st_ino else { continue }
            file = opened
            return
        }
    }

    private init(file: consuming OwnedFD) {
        self.file = file
    }

    /// Takes the lock if nobody holds it; nil when somebody does.
    public static func acquire(_ path: String) throws(SystemError) -> FileLock? {
        let file = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
        if control(file.number, DISH_F_OFD_SETLK).result == 0 { return FileLock(file: file) }
        let code = errno
        if code == EAGAIN || code == EACCES { return nil }
        throw SystemError("lock", path, code: code)
    }

    /// Whether somebody holds it now; a file that doesn't exist is held by nobody.
    public static func isHeld(_ path: String) -> Bool {
        guard let file = try? OwnedFD.open(path, O_RDWR) else { return false }
        let (result, type) = control(file.number, DISH_F_OFD_GETLK)
        return result == 0 && type != F_UNLCK
    }

    /// Asks for a write lock on the whole file; the answer's type is that of the lock in the way.
    private static func control(_ file: CInt, _ command: CInt) -> (result: CInt, type: CInt) {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        let result = withUnsafeMutablePointer(to: &lock) { dish_fcntl(file, command, Int(bitPattern: $0)) }
        return (result, CInt(lock.l_type))
    }
}
