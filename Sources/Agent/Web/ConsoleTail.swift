import AgentAPI
import Glibc
import Linux
import TaskHelper

/// Reads a console log from its end on, piece by piece, over the places where it is turned over.
struct ConsoleTail {
    /// The cursor of who wants all that is kept.
    static let start = "start"

    private let path: String
    /// Bytes that are read at a time.
    var piece = 256 * 1024

    init(_ path: String) {
        self.path = path
    }

    /// - Parameters:
    ///   - cursor: of an earlier answer, or `start` for all from the oldest on; nil for the last lines.
    ///   - lines: how many at most, without a cursor.
    func read(after cursor: String?, lines: Int) throws -> ConsoleLines {
        if cursor == Self.start {
            guard let oldest = (0...9).last(where: { Self.inode(file($0)) != nil }), let inode = Self.inode(file(oldest)) else {
                return ConsoleLines(cursor: Self.start, entries: [])
            }
            return try goOn(from: Place(inode: inode, offset: 0), in: oldest)
        }
        if let place = cursor.flatMap(Place.init), let number = (0...9).first(where: { Self.inode(file($0)) == place.inode }) {
            return try goOn(from: place, in: number)
        }
        guard let size = try? size(0), let inode = Self.inode(path) else { return ConsoleLines(cursor: "", entries: []) }
        let start = max(0, size - piece)
        let (bytes, length) = try whole(0, from: start)
        let entries = (start == 0 ? bytes : bytes.drop { $0 != UInt8(ascii: "\n") }).split(separator: UInt8(ascii: "\n"))
        return ConsoleLines(
            cursor: "\(Place(inode: inode, offset: start + length))", entries: entries.suffix(lines).compactMap(Self.entry))
    }

    private struct Place: CustomStringConvertible {
        let inode: UInt64
        let offset: Int

        init(inode: UInt64, offset: Int) {
            (self.inode, self.offset) = (inode, offset)
        }

        init?(_ text: String) {
            let parts = text.split(separator: ":")
            guard parts.count == 2, let inode = UInt64(parts[0]), let offset = Int(parts[1]), (0...1 << 50).contains(offset)
            else { return nil }
            self.init(inode: inode, offset: offset)
        }

        var description: String { "\(inode):\(offset)" }
    }

    private func goOn(from place: Place, in number: Int) throws -> ConsoleLines {
        var (place, number) = (place, number)
        while true {
            let (bytes, length) = try whole(number, from: place.offset)
            place = Place(inode: place.inode, offset: place.offset + length)
            if length > 0 || number == 0 {
                let entries = bytes.split(separator: UInt8(ascii: "\n")).compactMap(Self.entry)
                return ConsoleLines(cursor: "\(place)", entries: entries)
            }
            number -= 1
            guard let inode = Self.inode(file(number)) else { return ConsoleLines(cursor: "\(place)", entries: []) }
            place = Place(inode: inode, offset: 0)
        }
    }

    private func file(_ number: Int) -> String { number == 0 ? path : "\(path).\(number)" }

    /// Whole lines from a place on, and how many bytes they are.
    private func whole(_ number: Int, from offset: Int) throws -> (bytes: ArraySlice<UInt8>, length: Int) {
        let descriptor = try OwnedFD.open(file(number), O_RDONLY | O_NOFOLLOW)
        var bytes = [UInt8](repeating: 0, count: piece)
        let (open, size) = (descriptor.number, bytes.count)
        let count = try retryingInterrupts("read", file(number)) { pread(open, &bytes, size, off_t(offset)) }
        guard let end = bytes[..<count].lastIndex(of: UInt8(ascii: "\n")) else {
            // No line is that long; what looks like one is passed over.
            return ([], count == size ? count : 0)
        }
        return (bytes[...end], end + 1)
    }

    private func size(_ number: Int) throws -> Int {
        var status = stat()
        try retryingInterrupts("read", file(number)) { lstat(file(number), &status) }
        return Int(status.st_size)
    }

    private static func inode(_ path: String) -> UInt64? {
        var status = stat()
        return lstat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    private static func entry(_ line: ArraySlice<UInt8>) -> ConsoleLines.Entry? {
        ConsoleLogEntry(line).map {
            .init(time: $0.time, errors: $0.isErrors, partial: $0.isPartial, text: String(decoding: $0.text, as: UTF8.self))
        }
    }
}
