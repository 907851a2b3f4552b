import AgentAPI
import Glibc
import Linux
import Testing

@testable import Agent

struct ConsoleTailTests {
    private let directory: String
    private var log: String { "\(directory)/console.log" }

    init() throws {
        var template = Array("/tmp/console-tail-XXXXXX".utf8CString)
        directory = String(cString: try #require(mkdtemp(&template)))
    }

    private func append(_ texts: String...) throws {
        let file = try OwnedFD.open(log, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
        for text in texts { try Files.write("2026-01-01T00:00:00.0Z stdout F \(text)\n".utf8, to: file.number, log) }
    }

    private func read(_ cursor: String? = nil, lines: Int = 100, piece: Int = 4096) throws -> (texts: [String], cursor: String) {
        var tail = ConsoleTail(log)
        tail.piece = piece
        let read = try tail.read(after: cursor, lines: lines)
        return (read.entries.map(\.text), read.cursor)
    }

    @Test func whatIsWrittenComesOnceAndInOrderAlsoOverATurn() throws {
        defer { try? Files.removeTree(directory) }
        #expect(try read() == ([], ""))
        try append("a", "b", "c")
        let first = try read(lines: 2)
        #expect(first.texts == ["b", "c"])
        #expect(try read(first.cursor).texts == [])
        try append("d")
        rename(log, "\(log).1")
        try append("e")
        let second = try read(first.cursor)
        #expect(second.texts == ["d"])
        let third = try read(second.cursor)
        #expect(third.texts == ["e"])
        #expect(try read(third.cursor).texts == [])
        // Turned over so often that the place is gone.
        unlink("\(log).1")
        #expect(try read(first.cursor).texts == ["e"])
    }

    @Test func aLineIsThereWhenItIsWholeAndALongLogInPieces() throws {
        defer { try? Files.removeTree(directory) }
        for number in 0..<1000 { try append("line \(number)") }
        var (texts, cursor) = try read(lines: 5)
        #expect(texts.last == "line 999" && texts.count == 5)
        let file = try OwnedFD.open(log, O_WRONLY | O_APPEND)
        try Files.write("2026-01-01T00:00:00.0Z stderr P half".utf8, to: file.number, log)
        #expect(try read(cursor).texts == [])
        try Files.write(" and half\n".utf8, to: file.number, log)
        for number in 0..<1000 { try append("more \(number)") }
        texts = []
        while case let next = try read(cursor), !next.texts.isEmpty {
            texts += next.texts
            cursor = next.cursor
        }
        #expect(texts.count == 1001 && texts.first == "half and half" && texts.last == "more 999")
    }

    @Test(arguments: ["1", "a:b", "1:-1", "18446744073709551616:0", ":", "0:0", "<script>"])
    func aCursorThatIsNoneIsNoCursor(cursor: String) throws {
        defer { try? Files.removeTree(directory) }
        try append("a")
        #expect(try read(cursor).texts == ["a"])
    }
}
