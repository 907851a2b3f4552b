import Glibc
import Linux

/// State that can't be read: it is kept for people to look at, out of the way, in `<state>/damaged` (docs/failures.md).
struct DamagedFiles: Sendable {
    let directory: String

    init(_ stateDirectory: String) {
        directory = "\(stateDirectory)/damaged"
    }

    /// Moves a file or a directory there, and over nothing that is there already.
    ///
    /// - Returns: where it is now.
    func setAside(_ path: String, as name: String) throws -> String {
        try Files.makeDirectories(directory, mode: 0o700)
        var (target, number) = ("\(directory)/\(name)", 2)
        while Files.exists(target) { (target, number) = ("\(directory)/\(name).\(number)", number + 1) }
        try retryingInterrupts("set aside", path) { rename(path, target) }
        return target
    }
}
