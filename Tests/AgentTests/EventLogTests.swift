import AgentAPI
import Glibc
import Linux
import Logging
import Testing

@testable import Agent

@Suite struct EventLogTests {
    @Test func numbersGoOnWithoutGapsWhoeverNotesAndAfterARestart() async throws {
        try await withFolder { folder in
            for round in 0..<3 {
                let log = EventLog(directory: folder, logger: Logger(label: "test"))
                #expect(log.last == UInt64(round * 200))
                await withTaskGroup(of: Void.self) { group in
                    for number in 0..<200 { group.addTask { log.record(.task, "t\(number)", "started", reason: "\"ä\"\n") } }
                }
                await log.flush()
                let all = try await log.events(after: 0)
                #expect(all.map(\.sequence) == (1...UInt64((round + 1) * 200)).map { $0 })
                #expect(try await log.events(after: UInt64(round * 200 + 150)).count == 50)
                #expect(try await log.events(after: log.last).isEmpty)
            }
        }
    }

    /// A state that is read-only when the agent begins: the numbers that were given stay so.
    @Test func numbersGoOnAfterALogThatCantBeShortened() async throws {
        try await withFolder { folder in
            let log = EventLog(directory: folder, logger: Logger(label: "test"))
            for number in 0..<20 { log.record(.task, "t\(number)", "started", reason: "r") }
            await log.flush()
            let whole = try Files.read("\(folder)/log")
            let isLater =
                #"{"sequence":18446744073709551615,"time":1,"kind":"task","name":"x","what":"y","reason":"z"}"# + "\n"
            let isWhole = String(decoding: whole.split(separator: UInt8(ascii: "\n"))[19], as: UTF8.self)
                .replacing("\"sequence\":20", with: "\"sequence\":21")
            for tail in ["{\"sequence\":21", isWhole, isLater] {
                try Files.replace("\(folder)/log", with: whole + tail.utf8, durable: false)
                #expect(EventLog(directory: folder, logger: Logger(label: "test")).last == 20)
                #expect(try Files.read("\(folder)/log") == whole + Array(tail.utf8), "it is only looked at")
                let next = EventLog(directory: folder, logger: Logger(label: "test"))
                next.record(.task, "after", "started", reason: "r")
                #expect(try await next.events(after: 0).map(\.sequence) == (1...21).map { $0 })
            }
        }
    }

    @Test func aPowerCutLosesAtMostTheEnd() async throws {
        try await withFolder { folder in
            let log = EventLog(directory: folder, logger: Logger(label: "test"))
            for number in 0..<20 { log.record(.task, "t\(number)", "started", reason: "r") }
            await log.flush()
            let bytes = try Files.read("\(folder)/log")
            for cut in [1, 40, 500] {
                for tail in [[], [0, 0, 0], Array("{\"sequence\":".utf8)] as [[UInt8]] {
                    try Files.replace("\(folder)/log", with: Array(bytes.dropLast(cut)) + tail, durable: false)
                    let next = EventLog(directory: folder, logger: Logger(label: "test"))
                    next.record(.task, "after", "started", reason: "r")
                    let all = try await next.events(after: 0)
                    #expect(all.map(\.sequence) == (1...UInt64(all.count)).map { $0 } && all.last?.name == "after")
                }
            }
        }
    }

    @Test func filesAreTurnedOverAndTheOldestGoes() async throws {
        try await withFolder { folder in
            try Files.makeDirectories(folder)
            let files = EventFiles(directory: folder, size: 2000, old: 2)
            var writer = EventFiles.Writer(files)
            for number in 1...200 {
                try writer.append(
                    AgentEvent(
                        sequence: UInt64(number), time: 0, kind: .task, name: "t", id: nil, what: "started", reason: "r"))
            }
            #expect(try Files.list(folder) == ["log", "log.1", "log.2"])
            #expect(try Files.list(folder).allSatisfy { try Files.read("\(folder)/\($0)").count <= 2000 })
            let numbers = try files.all().map(\.sequence)
            #expect(numbers == Array(numbers[0]...200))
            #expect(try files.last()?.sequence == 200)
        }
    }

    @Test func whoFollowsMissesNothing() async throws {
        try await withFolder { folder in
            let log = EventLog(directory: folder, logger: Logger(label: "test"))
            log.record(.host, "h", "before", reason: "r")
            async let seen: [UInt64] = {
                var seen: [UInt64] = []
                for try await batch in log.follow(after: 0, until: { try await Task.sleep(for: .seconds(3600)) }) {
                    seen += batch.map(\.sequence)
                    if seen.last == 501 { break }
                }
                return seen
            }()
            for number in 0..<500 {
                log.record(.task, "t", "started", reason: "\(number)")
                if number % 50 == 0 { try await Task.sleep(for: .milliseconds(1)) }
            }
            #expect(try await seen == (1...501).map { $0 })
        }
    }

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = "/tmp/dish-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { try? Files.removeTree(folder) }
        try await body(folder)
    }
}
