import ArgumentParser
import Layers
import Linux
import Manifest
import Spec

struct PoolUsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "Show how much each layer, task and volume uses, and what removing it would free.",
        discussion: """
            REFERENCED is what its files take on the devices, EXCLUSIVE what nothing else shares, and FREED what removing it gives back: that
            and its part of the file system's trees. OWN and LIMIT are what it is billed for: what it wrote itself.

            It answers from an index that the agent keeps up to date, without reading any tree; the last line says how old that is.

            Examples:
              dish pool usage
              dish pool usage --refresh --json
              dish pool usage --of //web:app        with whom it shares what
              dish pool usage --history             how full the pool was, and when it will be
            """)

    @OptionGroup var pool: PoolPath
    @Flag(help: "Bring the index up to date first.")
    var refresh = false
    @Option(name: .customLong("of"), help: "Show with whom a layer, task, volume or snapshot shares what.")
    var entry: String?
    @Flag(help: "Show how full the pool was over time.")
    var history = false
    @OptionGroup var json: JSONOption

    func validate() throws {
        if history, refresh || entry != nil { throw ValidationError("--history stands alone.") }
    }

    func run() throws {
        try requireRoot(to: "read a pool's usage")
        let pool = try pool.open()
        if history { return try showHistory(pool) }
        if let entry { return try showSharing(pool, entry) }
        try? pool.removeUnusedQuotaGroups()
        let usage = try pool.usage(refreshes: refresh)
        if json.json { return try printJSON(usage) }
        print(
            "\(oneLine(usage.path)): \(ByteCount(bytes: usage.total)) in all, \(ByteCount(bytes: usage.available)) free, "
                + "\(ByteCount(bytes: usage.dataUsed)) data, \(ByteCount(bytes: usage.metadataUsed)) metadata", to: .output)
        printTable(
            ["KIND", "NAME", "ID", "REFERENCED", "EXCLUSIVE", "FREED", "OWN", "LIMIT", "COMPRESSED"],
            usage.layers.map { row("layer", $0) } + usage.tasks.map { row("task", $0) }
                + usage.volumes.map { row("volume", $0) } + usage.snapshots.map { row("snapshot", $0) }
                + usage.others.map {
                    [
                        $0.kind.rawValue, printable($0.name) + ($0.isRemoved ? " (removed)" : ""),
                        $0.id.map { String($0.prefix(12)) } ?? "-",
                    ] + cells($0.held) + ["-", "-", factor($0.held.compression)]
                })
        show(usage.sum, of: usage)
        for entry in usage.layers + usage.tasks + usage.volumes {
            guard let unchecked = entry.held?.unchecked else { continue }
            print(
                "without checksums: \(printable(entry.name)): \(unchecked.files) files, \(shownBytes(unchecked.bytes))",
                to: .output)
        }
    }

    private func row(_ kind: String, _ entry: PoolUsage.Entry) -> [String] {
        [kind, printable(entry.name), String(entry.id.prefix(12))] + cells(entry.held)
            + [shownBytes(entry.own), shownBytes(entry.limit), factor(entry.held?.compression)]
    }

    /// What isn't as it was when the index was made has a `~` before it.
    private func cells(_ held: PoolUsage.Held?) -> [String] {
        guard let held else { return ["-", "-", "-"] }
        let mark = held.isCurrent ? "" : "~"
        return [held.referenced, held.exclusive, held.freed].map { mark + shownBytes($0) }
    }

    private func factor(_ compression: Double?) -> String {
        guard let compression, compression > 1 else { return "-" }
        return "\(tenths(compression))x"
    }

    private func show(_ sum: PoolUsage.Sum, of usage: PoolUsage) {
        let since = sum.changed == 0 ? "others on the file system" : "written since the index was made, or others"
        show(
            "data", usage.dataUsed,
            [
                (sum.data, "in the pool's subvolumes, \(shownBytes(sum.sharedData)) of it shared"),
                (sum.removedData, "of removed subvolumes that are being cleaned up"), (UInt64(sum.unaccountedData), since),
            ])
        show(
            "metadata", usage.metadataUsed,
            [
                (sum.metadata, "of the pool's subvolumes"), (sum.ownMetadata, "the file system's own"),
                (sum.removedMetadata, "of removed subvolumes and others"), (UInt64(sum.unaccountedMetadata), since),
            ])
        let advice = sum.changed == 0 ? "" : "; \(sum.changed) have changed since: dish pool usage --refresh"
        print("as of \(age(sum.taken)), \(sum.subvolumes) subvolumes\(advice)", to: .output)
    }

    /// One sum: what there is, and what it consists of.
    private func show(_ what: String, _ used: UInt64, _ parts: [(bytes: UInt64, of: String)]) {
        let all = parts.enumerated().filter { $0.offset == 0 || $0.element.bytes > 0 }.map {
            "\(shownBytes($0.element.bytes)) \($0.element.of)"
        }
        print("\(what): \(shownBytes(used)) = \(all.joined(separator: " + "))", to: .output)
    }

    private func showSharing(_ pool: Pool, _ entry: String) throws {
        let sharing = try pool.sharing(of: entry, refreshes: refresh)
        if json.json { return try printJSON(sharing) }
        printTable(
            ["DATA", "METADATA", "HELD BY"],
            sharing.map { share in
                let more = share.holders.count > 6 ? ["and \(share.holders.count - 6) more"] : []
                return [
                    shownBytes(share.data), shownBytes(share.metadata),
                    (share.holders.prefix(6).map(printable) + more).joined(separator: ", "),
                ]
            })
    }

    private struct History: Encodable {
        let samples: [UsageHistory.Sample]
        let forecast: UsageHistory.Forecast?
    }

    private func showHistory(_ pool: Pool) throws {
        let history = try pool.usageHistory(in: .host)
        if json.json { return try printJSON(History(samples: history.samples, forecast: history.forecast)) }
        printTable(
            ["WHEN", "SIZE", "FREE", "DATA", "METADATA"],
            history.samples.suffix(20).map {
                [age($0.time), shownBytes($0.total), shownBytes($0.available), shownBytes($0.data), shownBytes($0.metadata)]
            })
        guard let forecast = history.forecast else {
            return print("no forecast yet: the agent looks each ten minutes, and an hour is needed", to: .output)
        }
        let change = "\(shownBytes(forecast.bytesPerDay.magnitude)) \(forecast.bytesPerDay < 0 ? "less" : "more") used each day"
        guard let full = forecast.fullAt else { return print("\(change): no end in sight", to: .output) }
        print("\(change): full in \(max(0, full - (history.samples.last?.time ?? full)) / 86400) days", to: .output)
    }
}
