import Glibc

/// Tells when files in folders change (inotify(7)).
public struct FolderWatch: ~Copyable, Sendable {
    private let inotify: OwnedFD

    /// - Parameter folders: each watched without those below it.
    public init(_ folders: [String]) throws(SystemError) {
        // The flags have the values of open(2)'s.
        let number = try retryingInterrupts("watch folders") { inotify_init1(O_CLOEXEC | O_NONBLOCK) }
        let opened = OwnedFD(adopting: number)
        let changes = UInt32(IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ATTRIB)
        for folder in folders {
            try retryingInterrupts("watch", folder) { inotify_add_watch(number, folder, changes) }
        }
        inotify = opened
    }

    /// Waits for a change, then until there was none for a moment, at most for so many milliseconds.
    ///
    /// - Returns: whether anything changed.
    public func wait(milliseconds: CInt) -> Bool {
        guard isReadable(within: milliseconds) else { return false }
        repeat { drain() } while isReadable(within: 100)
        return true
    }

    private func isReadable(within milliseconds: CInt) -> Bool {
        var polled = pollfd(fd: inotify.number, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, milliseconds) > 0
    }

    private func drain() {
        var buffer = [UInt8](repeating: 0, count: 16384)
        while read(inotify.number, &buffer, buffer.count) > 0 {}
    }
}
