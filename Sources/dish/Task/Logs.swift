import AgentAPI
import ArgumentParser
import Glibc
import Linux
import TaskHelper

struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print what a task has written to its console.",
        discussion: """
            Examples:
              dish logs web
              dish logs -f --tail 20 web
            """)

    @Argument(help: "A task's name or id.")
    var task: String
    @Flag(name: .shortAndLong, help: "Go on until the task ends.")
    var follow = false
    @Option(name: [.customShort("n"), .long], help: "Only so many of the last lines.")
    var tail: Int?
    @Flag(name: .shortAndLong, help: "Print each line's time.")
    var timestamps = false

    func validate() throws {
        if let tail, tail < 0 { throw ValidationError("--tail must not be negative.") }
    }

    func run() async throws {
        let status = try await AgentClient.host.task(task)
        let (follow, tail, timestamps) = (follow, tail, timestamps)
        try await blocking {
            var reader = ConsoleLogReader(status.paths.log)
            var entries: [ConsoleLogEntry] = []
            while case let more = try reader.read(), !more.isEmpty { entries += more }
            for entry in tail.map({ entries.suffix($0) }) ?? entries[...] { try entry.print(timestamps) }
            guard follow, !status.state.hasEnded else { return }
            let helper = try? HelperConnection(status.paths.helper)
            var isAlive = helper != nil
            try helper?.send(.watch)
            while isAlive {
                var polled = [pollfd(fd: helper?.descriptor ?? -1, events: Int16(POLLIN), revents: 0)]
                if poll(&polled, 1, 100) > 0 {
                    switch try helper?.receive() {
                    case nil, .exited: isAlive = false
                    default: break
                    }
                }
                while case let more = try reader.read(), !more.isEmpty {
                    for entry in more { try entry.print(timestamps) }
                }
            }
        }
    }
}

/// A line of a console log in the CRI log format: `TIME STREAM P|F TEXT`.
struct ConsoleLogEntry {
    let time: String
    let isErrors: Bool
    /// Whether the line goes on in the next entry.
    let isPartial: Bool
    /// As the task wrote it.
    let text: ArraySlice<UInt8>

    init?(_ line: ArraySlice<UInt8>) {
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4 else { return nil }
        let words = fields.prefix(3).map { String(decoding: $0, as: UTF8.self) }
        guard ["stdout", "stderr"].contains(words[1]), ["P", "F"].contains(words[2]) else { return nil }
        (time, isErrors, isPartial, text) = (words[0], words[1] == "stderr", words[2] == "P", fields[3])
    }

    func print(_ timestamps: Bool) throws {
        let line = (timestamps ? Array("\(time) ".utf8) : []) + text + (isPartial ? [] : [UInt8(ascii: "\n")])
        try Files.write(line, to: isErrors ? STDERR_FILENO : STDOUT_FILENO, "output")
    }
}

/// Reads a console log as it grows, over the places where it is turned over.
struct ConsoleLogReader {
    private let path: String
    private var file: CInt = -1
    private var inode: ino_t = 0
    private var rest: [UInt8] = []
    /// Older files that come before the present one.
    private var older: [String]

    init(_ path: String) {
        self.path = path
        older = (1...9).reversed().map { "\(path).\($0)" }.filter { Files.exists($0) }
    }

    /// The entries that have come since the last call; none at the end.
    mutating func read() throws -> [ConsoleLogEntry] {
        while true {
            if file < 0, !openNext() { return [] }
            var bytes = [UInt8](repeating: 0, count: 256 * 1024)
            let count = Glibc.read(file, &bytes, bytes.count)
            guard count >= 0 else { throw SystemError("read", path) }
            if count == 0 {
                var status = stat()
                let isCurrent = stat(path, &status) == 0 && status.st_ino == inode
                if isCurrent || (older.isEmpty && !Files.exists(path)) { return [] }
                close(file)
                file = -1
                continue
            }
            rest += bytes[..<count]
            guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { continue }
            // By bytes: to String, a carriage return and a line feed are one character.
            let entries = rest[..<end].split(separator: UInt8(ascii: "\n")).compactMap { ConsoleLogEntry($0) }
            rest.removeFirst(end + 1)
            return entries
        }
    }

    private mutating func openNext() -> Bool {
        file = open(older.isEmpty ? path : older.removeFirst(), O_RDONLY | O_CLOEXEC)
        var status = stat()
        if file >= 0, fstat(file, &status) == 0 { inode = status.st_ino }
        return file >= 0
    }
}
