import Glibc
import Linux
import Testing

@testable import Agent

@Suite struct SteadyTimeTests {
    @Test func aDateThatJumpsAheadMakesNothingOlder() throws {
        let folder = "/tmp/dish-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { try? Files.removeTree(folder) }
        try Files.makeDirectories(folder)
        let (file, day) = ("\(folder)/clock", Int64(86400))
        let date: Int64 = 1_800_000_000
        #expect(SteadyTime(file: file, boot: "a", date: date).now == date)
        // Another agent of the same start of the host.
        #expect(abs(SteadyTime(file: file, boot: "a", date: date + 8 * day).now - date) < 60)
        #expect(SteadyTime(file: file, boot: "a", date: date - 8 * day).now == date - 8 * day)
        #expect(SteadyTime(file: file, boot: "b", date: date + day).now == date + day)
        try Files.replace(file, with: "b x\n".utf8, durable: false)
        #expect(SteadyTime(file: file, boot: "b", date: date).now == date)
    }
}
