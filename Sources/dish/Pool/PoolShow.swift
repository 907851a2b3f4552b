import ArgumentParser
import Btrfs
import Layers
import Linux

struct PoolShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a pool's devices, their errors, how content is spread, and what is under way.",
        discussion: """
            Examples:
              dish pool show
              dish pool show /srv/pool --json
              dish pool show --reset-errors        once their cause is gone
            """)

    @OptionGroup var pool: PoolPath
    @Flag(help: "Count the devices' errors from 0 again.")
    var resetErrors = false
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "look at a pool's devices")
        let pool = try pool.open()
        if resetErrors {
            let filesystem = try pool.filesystem()
            for device in try filesystem.devices() { _ = try filesystem.deviceErrors(device.id, resets: true) }
        }
        let report = try PoolReport(pool, in: .host)
        if json.json { return try printJSON(report) }
        print(
            "\(oneLine(report.path)): \(shownBytes(report.total)) in all, \(shownBytes(report.available)) free, \(report.uuid)",
            to: .output)
        printTable(
            ["ID", "DEVICE", "SIZE", "ALLOCATED", "ERRORS", "COMMIT", "STATE"],
            zip(report.devices, report.states).map { device, status in
                [
                    "\(device.id)", device.path.isEmpty ? "-" : device.path, shownBytes(device.size),
                    shownBytes(device.allocated), counts(of: device.errors), status.generation.map { "\($0)" } ?? "-",
                    status.state.rawValue,
                ]
            })
        printTable(
            ["KIND", "PROFILE", "ALLOCATED", "USED"],
            report.allocations.map { [$0.kind.rawValue, $0.profile.rawValue, shownBytes($0.size), shownBytes($0.used)] })
        print("compression: \(report.settings?.compression ?? "none")", to: .output)
        print("mounted with: \(report.mountOptions)", to: .output)
        let every = report.settings?.scrubEvery.map { "every \(PoolSettings.text(ofSeconds: $0))" } ?? "never by itself"
        print("scrubbed: \(every); last \(report.lastScrub.map { shown($0) } ?? "never")", to: .output)
        if let scrub = report.scrub { print("scrub under way: \(shown(scrub))", to: .output) }
        let checks = report.layerChecks
        print(
            checks.rate == 0
                ? "layers checked: never by themselves"
                : "layers checked: \(checks.checked) of \(checks.layers); each every \(PoolSettings.text(ofSeconds: checks.every)), at \(shownBytes(checks.rate))/s",
            to: .output)
        if !report.unchecked.isEmpty {
            let holders = report.unchecked.prefix(5).map { "\(oneLine($0.name)) \($0.files) files, \(shownBytes($0.bytes))" }
            let more = report.unchecked.count > 5 ? ["and \(report.unchecked.count - 5) more"] : []
            print("without checksums: \((holders + more).joined(separator: "; "))", to: .output)
        }
        if let balance = report.balance { print("balance: \(shown(balance))", to: .output) }
        if let done = report.replacement { print("a device is being replaced: \(done / 10) %", to: .output) }
        if let last = report.degradedMounts.last {
            print(
                "mounted without all devices: \(report.degradedMounts.count) times, last \(age(last.time)) with \(last.present.count) of \(last.deviceCount)",
                to: .output)
        }
        for problem in report.problems { print("problem: \(oneLine(problem))", to: .output) }
    }

    private func counts(of errors: DeviceErrors) -> String {
        let counts = [
            ("write", errors.writes), ("read", errors.reads), ("flush", errors.flushes), ("corrupt", errors.corruptions),
            ("generation", errors.generations),
        ].filter { $0.1 > 0 }
        return counts.isEmpty ? "none" : counts.map { "\($1) \($0)" }.joined(separator: ", ")
    }
}

/// A scrub for people.
func shown(_ record: ScrubRecord) -> String {
    "\(age(record.started)), \(record.outcome.rawValue)\(record.failure.map { " (\($0))" } ?? ""): \(shown(record.found))"
}

func shown(_ status: ScrubStatus) -> String {
    let done = status.progress.data + status.progress.metadata
    let percent = status.expected == 0 ? 100 : min(100, done * 100 / status.expected)
    return "\(percent) %, \(shown(status.progress))"
}

private func shown(_ found: ScrubProgress) -> String {
    let errors = found.readErrors + found.checksumErrors + found.verifyErrors + found.superblockErrors
    let result = errors == 0 ? "no errors" : "\(errors) errors, \(found.corrected) corrected, \(found.uncorrectable) not"
    return "\(shownBytes(found.data + found.metadata)) read, \(result)"
}

func shown(_ progress: BalanceProgress) -> String {
    "\(progress.isRunning ? "running" : "paused"), \(progress.completed) of about \(progress.expected) block groups written anew, \(progress.considered) looked at"
}
