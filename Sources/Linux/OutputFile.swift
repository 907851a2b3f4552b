public import Glibc

/// A file that somebody named for what a command makes.
public enum OutputFile {
    /// Has a body write it, to the descriptor that it is given.
    ///
    /// A regular file, and one that isn't there yet, has its new content only when that is whole and on disk; links are followed. What is
    /// something else, like a device or a pipe, stays what it is and is written to.
    public static func write(_ path: String, mode: mode_t = 0o644, _ body: (CInt) throws -> Void) throws {
        var status = stat()
        let isThere = stat(path, &status) == 0
        guard !isThere || status.st_mode & S_IFMT == S_IFREG else {
            let file = try OwnedFD.open(path, O_WRONLY)
            return try body(file.number)
        }
        let target = isThere ? Files.resolved(path) : path
        let unfinished = "\(target).\(getpid()).new"
        do {
            let file = try OwnedFD.open(unfinished, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
            let number = file.number
            try body(number)
            try retryingInterrupts("sync", path) { fsync(number) }
            try retryingInterrupts("rename", path) { rename(unfinished, target) }
        } catch {
            unlink(unfinished)
            throw error
        }
    }
}
