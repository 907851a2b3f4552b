import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// What goes over all of a pool: balances that are really under way, and scrubs by the clock.
@Suite(.requiresRoot, .serialized)
struct PoolWorkTests {
    private struct Status: Decodable {
        struct Balance: Decodable {
            let isRunning: Bool
            let expected: UInt64
            let considered: UInt64
            let completed: UInt64
        }
        let balance: Balance?
    }

    /// Runs a body with a pool in a file.
    private func withPool(_ size: String, _ body: (TestHost, Pool) async throws -> Void) async throws {
        let path = try Scratch.make("work") + "/pool"
        let host = try TestHost(pool: path)
        do {
            let made = try await host.dish("pool", "create", path, "--size", size)
            try #require(made.code == 0, "\(made)")
            try await body(host, try Pool(at: path))
        } catch {
            await host.takeDown(path, [])
            throw error
        }
        await host.takeDown(path, [])
    }

    /// Runs a command that balances, and another one as soon as that is under way.
    ///
    /// - Returns: how both ended; nil when the balance was done before.
    private func balance(
        _ host: TestHost, _ pool: Pool, _ arguments: [String], then command: String
    ) async throws -> (balance: Outcome, command: Outcome)? {
        async let balance = host.dish(arguments: ["pool", "balance"] + arguments)
        for _ in 0..<2000 {
            if let progress = try pool.filesystem().balanceProgress(), progress.isRunning, progress.considered > 0 { break }
            try await Task.sleep(for: .milliseconds(5))
        }
        let command = try await host.dish("pool", "balance", command)
        let ended = try await balance
        return ended.code == 0 ? nil : (ended, command)
    }

    @Test func aBalanceUnderWayIsPausedGoesOnAndIsCancelled() async throws {
        try await withPool("2G") { host, pool in
            let filled = try await Command("/bin/sh", ["-c", "head -c 800M /dev/urandom > \(pool.path)/cache/filler && sync"])
                .run()
            try #require(filled.status.isSuccess, "\(filled.errorText)")
            func status() async throws -> Status { try decoded(try await host.dish("pool", "balance", "status", "--json")) }

            // A disk may be so fast that all is done before the next command has begun.
            var paused: (balance: Outcome, command: Outcome)?
            for _ in 0..<8 where paused == nil { paused = try await balance(host, pool, ["start"], then: "pause") }
            let first = try #require(paused, "no balance took long enough to be paused")
            #expect(first.command.code == 0 && first.balance.code == 1, "\(first)")
            #expect(first.balance.errors.contains("paused; go on: dish pool balance resume"), "\(first.balance)")
            #expect(
                first.balance.errors.contains(/balance: running, \d+ of about \d+ block groups written anew/), "\(first.balance)")
            let before = try #require(try await status().balance)
            #expect(!before.isRunning && before.completed < before.expected && before.considered > 0, "\(before)")
            // It holds while nobody goes on with it, and is in the way of another.
            let second = try await host.dish("pool", "balance", "start")
            #expect(second.code == 1 && second.errors.contains("or that is paused"), "\(second)")
            #expect(try await host.dish("pool", "show").output.contains("balance: paused, \(before.completed) of about"))

            if let resumed = try await balance(host, pool, ["resume"], then: "cancel") {
                #expect(resumed.command.code == 0 && resumed.balance.code == 1, "\(resumed)")
                #expect(resumed.balance.errors.contains("cancelled"), "\(resumed.balance)")
            }
            #expect(try await status().balance == nil)
            // What isn't there is no error.
            for action in ["resume", "pause", "cancel"] { #expect(try await host.dish("pool", "balance", action).code == 0) }
            // One that was paused is cancelled too.
            paused = nil
            for _ in 0..<8 where paused == nil { paused = try await balance(host, pool, ["start"], then: "pause") }
            #expect(try await status().balance?.isRunning == false)
            #expect(try await host.dish("pool", "balance", "cancel").code == 0)
            #expect(try await status().balance == nil)
        }
    }

    @Test func theAgentScrubsByTheClock() async throws {
        try await withPool("1G") { host, pool in
            _ = try pool.makeLayer(on: nil) { root in
                try Files.replace("\(root)/text", with: [UInt8](repeating: 65, count: 8 << 20), durable: false)
            }
            try #require(try await host.dish("pool", "set", "--scrub-every", "30m").code == 0)
            #expect(try await host.dish("pool", "show").output.contains("scrubbed: every 30m; last never"))
            try await host.withAgent { _ in
                for what in ["scrub", "scrubbed"] { try await host.waitForPoolEvent(what) }
            }
            let history = ScrubHistory(of: pool, in: PoolRegistry(stateDirectory: host.stateDirectory))
            let record = try #require(try history.records().last)
            #expect(record.by == "schedule" && record.outcome == .finished && record.found.data >= 8 << 20, "\(record)")
            #expect(record.found.uncorrectable == 0 && !record.isBad)
            // The next is due half an hour after this one began, or when the clock says that it hasn't begun yet.
            #expect(try !history.isDue(every: 1800, now: record.started + 1799))
            #expect(try history.isDue(every: 1800, now: record.started + 1800))
            #expect(try history.isDue(every: 1800, now: record.started - 1))
            try await host.withAgent { _ in
                try await Task.sleep(for: .seconds(1))
                #expect(try history.records().count == 1)
            }
            #expect(try await host.dish("pool", "scrub", "history").output.contains("schedule"))
            // One that can't be read keeps no scrub from being done, and nobody from looking at the pool.
            let file = "\(PoolRegistry(stateDirectory: host.stateDirectory).records(ofPool: pool))/scrubs.json"
            try Files.replace(file, with: "[".utf8)
            #expect(try await host.dish("pool", "show").output.contains("last never"))
            #expect(try history.isDue(every: 1800, now: record.started) && Files.exists("\(file).damaged"))
            try history.add(record)
            #expect(try history.next(after: nil, seconds: 1) == record && history.next(after: record, seconds: 0) == nil)
        }
    }
}
