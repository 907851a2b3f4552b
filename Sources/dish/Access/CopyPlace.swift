import AgentAPI
import CLinux
import Glibc
import Layers
import Linux
import Spec

/// One end of a copy.
enum CopyPlace {
    case archive
    case host(String)
    case task(TaskStatus, String)

    /// From `TASK:/path`, a path, or `-`. A path whose first component has a colon is written `./a:b`.
    init(_ text: String) async throws {
        if text == "-" {
            self = .archive
        } else if let colon = text.firstIndex(of: ":"), colon != text.startIndex, !text[..<colon].contains("/") {
            self = .task(
                try await AgentClient.local(to: "copy files").task(String(text[..<colon])),
                String(text[text.index(after: colon)...]))
        } else {
            self = .host(text)
        }
    }

    private var path: String {
        switch self {
        case .archive: "-"
        case .host(let path): path
        case .task(_, let path): path.hasPrefix("/") ? path : "/" + path
        }
    }

    /// How messages call it.
    var name: String {
        if case .task(let task, _) = self { "\(task.name):\(path)" } else { path }
    }

    /// What its last component calls it; nil for a directory's content.
    var lastName: String? {
        guard let last = path.split(separator: "/").last, last != ".", last != "..", !path.hasSuffix("/.") else { return nil }
        return String(last)
    }

    /// The host's id of user 0 here.
    var firstID: uid_t {
        get throws { if case .task(let task, _) = self { try TaskRoot(task).firstID } else { 0 } }
    }

    /// Whom copies belong to.
    var owner: (user: uid_t, group: gid_t) {
        get throws {
            guard case .task = self else { return (geteuid(), getegid()) }
            return (try firstID, try firstID)
        }
    }

    /// Opens what is to be read, behind links.
    func openSource() throws -> OwnedFD { try open(path, DISH_O_PATH) }

    /// Opens the directory to write into, and says what the copy is called there; nil: as its source.
    func openTarget() throws -> (directory: CInt, name: String?) {
        if let there = try? open(path, O_RDONLY | O_DIRECTORY) { return (there.release(), nil) }
        guard let last = lastName, !path.hasSuffix("/") else {
            throw AgentError(.notFound, "there is no directory '\(name)'")
        }
        let parent = Files.parent(of: path)
        do {
            return (try open(parent, O_RDONLY | O_DIRECTORY).release(), last)
        } catch let error as SystemError where error.code == ENOENT || error.code == ENOTDIR {
            throw AgentError(.notFound, "cannot make '\(name)': there is no directory '\(parent)'")
        }
    }

    /// Runs what makes files here.
    func writing(_ body: () throws -> Void) throws {
        guard case .task(let task, _) = self else { return try body() }
        try TaskRoot(task).asRoot(body)
    }

    private func open(_ path: String, _ flags: CInt) throws -> OwnedFD {
        guard case .task(let task, _) = self else { return try OwnedFD.open(path, flags) }
        let root = try TaskRoot(task)
        if !root.isLive {
            // The nearest that there is: what a volume had below is not.
            var there = path
            while there != "/", !root.directory.contains(there) { there = Files.parent(of: there) }
            try Self.requireNoVolume(task, root.directory.open(inRoot: there, DISH_O_PATH))
        }
        return try root.directory.open(inRoot: path, flags)
    }

    /// Where a volume was, a task that has ended shows what the volume hid.
    private static func requireNoVolume(_ task: TaskStatus, _ opened: borrowing OwnedFD) throws {
        let link = "/proc/self/fd/\(opened.number)"
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = try retryingInterrupts("read link", link) { readlink(link, &buffer, buffer.count - 1) }
        let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for mount in task.volumes ?? [] {
            let place = task.paths.root + mount.path
            guard path == place || path.hasPrefix(place + "/") else { continue }
            let data = try Pool(at: task.pool).data(ofVolume: mount.volume)
            throw AgentError(
                .conflict,
                "'\(mount.path)' of the task '\(task.name)' is the volume '\(mount.volume)', which is only there while the task runs; its data is in '\(data)'"
            )
        }
    }
}
