import FoundationEssentials
import Glibc
import Layers
import Linux
import Synchronization

/// Digests of a workspace's source files as they were when they were last read, so that what hasn't changed isn't read again.
///
/// A file is the same while its device, inode, size, time of modification and time of change are. Those times have a granularity: a file
/// that was written a moment before it was read may be written again without them changing. So the digest of such a file is remembered for
/// this build alone, and the next one reads it again (git calls that entry of its index racy).
final class InputDigests: Sendable {
    /// Properties that tell one state of a file from another.
    struct Mark: Codable, Equatable {
        let device: UInt64
        let inode: UInt64
        let size: Int64
        /// Seconds and nanoseconds.
        let modified: [Int64]
        let changed: [Int64]

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int64(status.st_size)
            modified = [Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec)]
            changed = [Int64(status.st_ctim.tv_sec), Int64(status.st_ctim.tv_nsec)]
        }

        /// Tells whether its times lie so far back that a later change has others: FAT counts in steps of two seconds.
        func isSettled(at now: Int64) -> Bool { max(modified[0], changed[0]) + 3 <= now }
    }

    private struct Entry: Codable, Equatable {
        let mark: Mark
        let digest: String
    }

    private struct State {
        var entries: [String: Entry]
        /// Those that are good for this build alone.
        var recent: [String: Entry] = [:]
        var hasChanged = false
    }

    /// Files that are remembered of a workspace.
    private static let most = 100_000

    private let path: String
    private let clock: @Sendable () -> Int64
    private let state: Mutex<State>

    /// Those that are remembered in a pool; none where they can't be read.
    convenience init(of workspace: Workspace, in pool: Pool) {
        let name = hexadecimal(ContentHash.bytes(workspace.root.utf8).prefix(16))
        self.init(file: "\(pool.cache)/inputs/\(name).json")
    }

    /// - Parameter clock: seconds since 1970.
    init(file: String, clock: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }) {
        path = file
        self.clock = clock
        let entries = try? Files.exists(path) ? StateFile.read([String: Entry].self, path) : [:]
        state = Mutex(State(entries: entries ?? [:]))
    }

    /// The digest of an open file as it is now; nil when it must be read.
    func digest(of file: borrowing OwnedFD, _ path: String) throws -> String? {
        let mark = Mark(try file.status())
        return state.withLock { state in
            [state.entries[path], state.recent[path]].compactMap { $0 }.first { $0.mark == mark }?.digest
        }
    }

    /// Reads a file and remembers its digest, unless it changed meanwhile or a moment before.
    func remembering<Result>(
        _ file: borrowing OwnedFD, _ path: String, _ read: (borrowing OwnedFD) throws -> (Result, digest: String)
    ) throws -> Result {
        let (before, now) = (Mark(try file.status()), clock())
        let (result, digest) = try read(file)
        let after = Mark(try file.status())
        state.withLock { state in
            let seen = before == after ? Entry(mark: before, digest: digest) : nil
            state.recent[path] = seen
            let entry = before.isSettled(at: now) ? seen : nil
            guard state.entries[path] != entry, entry == nil || state.entries.count < Self.most else { return }
            state.entries[path] = entry
            state.hasChanged = true
        }
        return result
    }

    /// Writes down what is new. Of two builds that do so at the same time one is forgotten, and reads its files again.
    func save() throws {
        let entries = state.withLock { state -> [String: Entry]? in
            defer { state.hasChanged = false }
            return state.hasChanged ? state.entries : nil
        }
        guard let entries else { return }
        try Files.makeDirectories(Files.parent(of: path), mode: 0o700)
        try StateFile.write(entries, path, durable: false)
    }
}
