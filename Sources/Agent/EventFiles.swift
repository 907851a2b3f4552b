import AgentAPI
import CLinux
import FoundationEssentials
import Glibc
import Linux

/// The files of an event log: one JSON object a line, `log` the newest, `log.1` and up before it.
struct EventFiles: Sendable {
    let directory: String
    /// Bytes at which a file is turned over.
    var size = 4 << 20
    /// How many old ones are kept.
    var old = 3

    private var current: String { "\(directory)/log" }

    /// All events that are kept, oldest first. Lines that are none, as a power cut leaves them, are passed over.
    func all() throws -> [AgentEvent] {
        var events: [AgentEvent] = []
        for path in (1...max(old, 1)).reversed().map({ "\(current).\($0)" }) + [current] where Files.exists(path) {
            events += Self.parse(try Self.lines(path))
        }
        return events
    }

    /// The last event; nil without any. What a power cut has left unfinished at the end doesn't count.
    func last() throws -> AgentEvent? {
        for path in [current, "\(current).1"] where Files.exists(path) {
            if let last = Self.last(try Self.lines(path)) { return last }
        }
        return nil
    }

    /// Brings what is written to the disk; the file before the newest may have got its last lines a moment ago.
    func sync() throws {
        for path in ["\(current).1", current] where Files.exists(path) {
            let file = try OwnedFD.open(path, O_RDONLY | O_NOFOLLOW)
            try retryingInterrupts("sync", path) { fdatasync(file.number) }
        }
    }

    /// A file's lines that are whole.
    private static func lines(_ path: String) throws -> ArraySlice<UInt8> {
        let bytes = try Files.read(path)
        return bytes[..<(bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0)]
    }

    /// The last line that is an event.
    private static func last(_ bytes: ArraySlice<UInt8>) -> AgentEvent? {
        var rest = bytes
        while !rest.isEmpty {
            let start = rest.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.startIndex
            if let event = parse(rest[start...]).first { return event }
            rest = rest[..<max(start - 1, rest.startIndex)]
        }
        return nil
    }

    /// No log gets there: such a number is damage, after which there would be no next one.
    private static let limit: UInt64 = 1 << 53

    private static func parse(_ bytes: some Collection<UInt8>) -> [AgentEvent] {
        let decoder = JSONDecoder()
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { try? decoder.decode(AgentEvent.self, from: Data($0)) }
            .filter { $0.sequence < Self.limit }
    }

    /// An event as a line.
    static func line(_ event: AgentEvent) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(event)) + [UInt8(ascii: "\n")]
    }

    /// The one that appends.
    struct Writer {
        private let files: EventFiles
        private var file: CInt = -1
        private var written = 0
        /// Up to which byte room is taken.
        private var reserved = 0
        private static let reserve = 256 << 10

        init(_ files: EventFiles) {
            self.files = files
        }

        /// Writes events in their order, and takes away those that are written.
        mutating func append(_ events: inout [AgentEvent]) throws {
            var count = 0
            defer { events.removeFirst(count) }
            for event in events {
                try append(event)
                count += 1
            }
        }

        mutating func append(_ event: AgentEvent) throws {
            let line = try EventFiles.line(event)
            if file >= 0, written + line.count > files.size { turnOver() }
            if file < 0 { try open() }
            do {
                try Files.write(line, to: file, files.current)
            } catch {
                // A part of it may be there.
                ftruncate(file, off_t(written))
                throw error
            }
            written += line.count
            if written > reserved - Self.reserve / 2 { reserveRoom() }
        }

        /// Takes room for what comes next: events of a file system that is full are those that people will want to read.
        private mutating func reserveRoom() {
            reserved = written + Self.reserve
            _ = dish_reserve(file, Int64(written), Int64(Self.reserve))
        }

        private mutating func open() throws {
            try Files.makeDirectories(files.directory, mode: 0o700)
            let opened = try OwnedFD.open(files.current, O_RDWR | O_CREAT | O_APPEND, mode: 0o600)
            let bytes = try Files.read(opened, files.current)
            // What a power cut has left unfinished at the end.
            written = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            if written < bytes.count {
                try retryingInterrupts("shorten", files.current) { ftruncate(opened.number, off_t(written)) }
            }
            file = opened.release()
            reserveRoom()
        }

        private mutating func turnOver() {
            // Gives back the room that was taken.
            ftruncate(file, off_t(written))
            close(file)
            file = -1
            let current = files.current
            for number in stride(from: files.old, through: 2, by: -1) {
                rename("\(current).\(number - 1)", "\(current).\(number)")
            }
            rename(current, "\(current).1")
        }
    }
}
