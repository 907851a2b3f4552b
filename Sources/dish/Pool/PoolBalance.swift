import ArgumentParser
import Btrfs
import Glibc
import Layers
import Linux
import Synchronization

struct PoolBalance: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "balance", abstract: "Write a pool's block groups anew: to spread them over devices, or to convert them.",
        discussion: """
            Examples:
              dish pool balance start --usage 50                       only those that are at most half full
              dish pool balance start --data raid1 --metadata raid1    after a second device was added
              dish pool balance status
              dish pool balance pause
              dish pool balance resume
            """,
        subcommands: [
            PoolBalanceStart.self, PoolBalanceStatus.self, PoolBalancePause.self, PoolBalanceResume.self, PoolBalanceCancel.self,
        ], defaultSubcommand: PoolBalanceStart.self)
}

struct PoolBalanceStart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Balance a pool to the end.",
        discussion: """
            Tasks go on. Ctrl-C cancels; dish pool balance pause, from elsewhere, pauses it. Without --usage or a profile all is written anew.

            Examples:
              dish pool balance start --usage 50
              dish pool balance start --data raid1 --metadata raid1
            """)

    @OptionGroup var pool: PoolPath
    @Option(help: "Only block groups of which at most so many percent are in use.")
    var usage: UInt64?
    @Option(help: "Convert data: single, raid1, …")
    var data: Profile?
    @Option(help: "Convert metadata: dup, raid1, …")
    var metadata: Profile?
    @Flag(help: "Allow less redundancy than there is.")
    var force = false

    func validate() throws {
        if let usage, usage > 100 { throw ValidationError("--usage must be a percentage, from 0 to 100.") }
    }

    func run() throws {
        try requireRoot(to: "balance a pool")
        let pool = try pool.open()
        let devices = try pool.filesystem().devices().filter { !$0.isMissing }.count
        for profile in [data, metadata].compactMap({ $0 }) where devices < profile.leastDevices {
            throw PoolError(
                .invalid,
                "convert the pool at '\(pool.path)' to \(profile.rawValue): it needs \(profile.leastDevices) devices, there are \(devices); add one: dish pool add-device DEVICE"
            )
        }
        var request = BalanceRequest()
        (request.usage, request.data, request.metadata, request.allowsLessRedundancy) = (usage, data, metadata, force)
        let ready = request
        try runBalance(of: pool) { try pool.filesystem().balance(ready) }
    }
}

struct PoolBalanceResume: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Go on with a balance that was paused, to the end; none is no error.")

    @OptionGroup var pool: PoolPath

    func run() throws {
        try requireRoot(to: "balance a pool")
        let pool = try pool.open()
        guard try pool.filesystem().balanceProgress() != nil else { return print(pool.path, to: .output) }
        try runBalance(of: pool) { try pool.filesystem().resumeBalance() }
    }
}

struct PoolBalanceStatus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how far a balance is.")

    @OptionGroup var pool: PoolPath
    @OptionGroup var json: JSONOption

    private struct Report: Encodable {
        let balance: BalanceProgress?
    }

    func run() throws {
        try requireRoot(to: "ask for a balance's state")
        let progress = try pool.open().filesystem().balanceProgress()
        if json.json { return try printJSON(Report(balance: progress)) }
        print(progress.map { shown($0) } ?? "none is under way", to: .output)
    }
}

struct PoolBalancePause: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Pause a balance after the block group at hand; none is no error.")

    @OptionGroup var pool: PoolPath

    func run() throws {
        try requireRoot(to: "pause a balance")
        let pool = try pool.open()
        _ = try pool.filesystem().pauseBalance()
        print(pool.path, to: .output)
    }
}

struct PoolBalanceCancel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "End a balance, running or paused; none is no error.")

    @OptionGroup var pool: PoolPath

    func run() throws {
        try requireRoot(to: "cancel a balance")
        let pool = try pool.open()
        _ = try pool.filesystem().cancelBalance()
        print(pool.path, to: .output)
    }
}

/// Runs a balance to its end on a thread of its own, and shows how far it is.
private func runBalance(of pool: Pool, _ body: @escaping @Sendable () throws -> BalanceOutcome) throws {
    let progress = LineOfProgress()
    let signals = SignalWatch([SIGINT, SIGTERM, SIGHUP]) {
        // It waits for the block group at hand.
        try? startThread { _ = try? pool.filesystem().cancelBalance() }
    }
    defer {
        signals.stop()
        progress.end()
    }
    let result = Mutex<Result<BalanceOutcome, any Error>?>(nil)
    try startThread {
        let ended = Result(catching: body)
        result.withLock { $0 = ended }
    }
    while result.withLock({ $0 == nil }) {
        if let now = try? pool.filesystem().balanceProgress() { progress.show("balance: \(shown(now))") }
        usleep(200_000)
    }
    progress.end()
    do {
        guard let outcome = try result.withLock({ $0 })?.get() else { return }
        if outcome == .finished { return print(pool.path, to: .output) }
        let left = try pool.filesystem().balanceProgress()
        print(left == nil ? "cancelled" : "paused; go on: dish pool balance resume \(pool.path)", to: .errors)
        throw ExitCode(1)
    } catch let error as SystemError where error.code == EINPROGRESS {
        throw PoolError(
            .inUse, "the pool at '\(pool.path)' is being balanced already, or that is paused; see: dish pool balance status")
    }
}
