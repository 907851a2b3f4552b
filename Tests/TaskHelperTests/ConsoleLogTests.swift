import Glibc
import Linux
import TaskHelper
import Testing

@Suite struct ConsoleLogTests {
    @Test func eachLineIsAnEntryWithItsTimeAndStream() throws {
        let entries = try log { log in
            log.write(Array("one\ntwo\r\n\nth".utf8), false)
            log.write(Array("oops\n".utf8), true)
            log.write(Array("ree\nend".utf8), false)
        }
        #expect(
            entries.map(\.rest) == [
                "stdout F one", "stdout F two", "stdout F ", "stderr F oops", "stdout F three", "stdout F end",
            ])
        #expect(entries.allSatisfy { $0.time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z/) != nil })
    }

    /// Whatever the pieces in which they arrive.
    @Test(arguments: [1000, 16 * 1024, 1 << 20]) func longLinesAreSplit(_ piece: Int) throws {
        let line = (0..<40_000).map { UInt8(ascii: "a") + UInt8($0 % 26) }
        let entries = try log { log in
            var rest = (line + [UInt8(ascii: "\n")])[...]
            while !rest.isEmpty {
                log.write(Array(rest.prefix(piece)), false)
                rest = rest.dropFirst(piece)
            }
        }
        #expect(entries.map { $0.rest.prefix(8) } == ["stdout P", "stdout P", "stdout F"])
        #expect(entries.map { $0.rest.dropFirst(9) }.joined().utf8.elementsEqual(line))
        #expect(entries.allSatisfy { $0.rest.utf8.count <= 16 * 1024 + 9 })
    }

    @Test func bytesThatAreNoTextAreKept() throws {
        try withLog { path in
            var log = ConsoleLog(path: path, size: 1 << 20, files: 3)
            log.write([0xFF, 0, 0xFE, 10], false)
            log.close()
            let content = try Files.read(path)
            #expect(content.suffix(4) == [0xFF, 0, 0xFE, 10])
        }
    }

    @Test func aFullLogIsTurnedOverAndTheOldestGoes() throws {
        try withLog { path in
            var log = ConsoleLog(path: path, size: 500, files: 2)
            for number in 0..<100 { log.write(Array("line \(number)\n".utf8), false) }
            log.close()
            let names = try Files.list(Files.parent(of: path))
            #expect(names == ["console.log", "console.log.1", "console.log.2"])
            let lines = try names.reversed().flatMap { try entries("\(Files.parent(of: path))/\($0)") }.map(\.rest)
            // No entry between the first that is kept and the last is lost.
            #expect(lines.last == "stdout F line 99")
            #expect(lines == (100 - lines.count..<100).map { "stdout F line \($0)" })
            for name in names { #expect(try Files.read("\(Files.parent(of: path))/\(name)").count < 600) }
        }
    }

    @Test func anExistingLogIsGoneOnWith() throws {
        try withLog { path in
            for word in ["one\n", "two\n"] {
                var log = ConsoleLog(path: path, size: 1000, files: 1)
                log.write(Array(word.utf8), false)
                log.close()
            }
            let lines = try entries(path).map(\.rest)
            #expect(lines == ["stdout F one", "stdout F two"])
        }
    }

    @Test func aLogThatCannotBeWrittenSaysLaterHowMuchIsLost() throws {
        try withLog { path in
            let folder = Files.parent(of: path)
            try Files.removeTree(folder)
            var log = ConsoleLog(path: path, size: 1000, files: 1)
            log.write(Array("lost\nlost too\n".utf8), false)
            try Files.makeDirectories(folder)
            log.write(Array("kept\n".utf8), false)
            log.close()
            let lines = try entries(path).map(\.rest)
            #expect(lines == ["stderr F dish-helper: 2 entries could not be written", "stdout F kept"])
        }
    }

    private struct Entry {
        let time: String
        let rest: String
    }

    private func log(_ body: (inout ConsoleLog) -> Void) throws -> [Entry] {
        try withLog { path in
            var log = ConsoleLog(path: path, size: 1 << 20, files: 3)
            body(&log)
            log.close()
            return try entries(path)
        }
    }

    private func entries(_ path: String) throws -> [Entry] {
        let text = try Files.readText(path)
        #expect(text.hasSuffix("\n"))
        return text.split(separator: "\n").map { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            return Entry(time: String(parts[0]), rest: String(parts[1]))
        }
    }

    private func withLog<Result>(_ body: (String) throws -> Result) throws -> Result {
        var template = Array("/tmp/dish-unit-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? Files.removeTree(folder) }
        return try body("\(folder)/console.log")
    }
}
