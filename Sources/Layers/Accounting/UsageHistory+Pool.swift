import Btrfs
import Linux

extension Pool {
    /// How full the pool was, as the agent of this host saw it.
    public func usageHistory(in registry: PoolRegistry) throws -> UsageHistory {
        let file = usageHistoryFile(registry)
        return Files.exists(file) ? try StateFile.read(UsageHistory.self, file) : UsageHistory()
    }

    /// Notes how full it is now, if it is time for that.
    ///
    /// - Parameter time: seconds since 1970.
    public func noteUsage(in registry: PoolRegistry, at time: Int64) throws {
        // One that is damaged is begun anew: it is of the past only.
        var history = (try? usageHistory(in: registry)) ?? UsageHistory()
        guard history.isDue(at: time) else { return }
        let space = try filesystem().space()
        history.add(
            .init(
                time: time, total: space.total, available: space.available, data: space.dataUsed, metadata: space.metadataUsed))
        try Files.makeDirectories(registry.records(ofPool: self), mode: 0o700)
        try StateFile.write(history, usageHistoryFile(registry))
    }

    private func usageHistoryFile(_ registry: PoolRegistry) -> String { "\(registry.records(ofPool: self))/usage.json" }
}
