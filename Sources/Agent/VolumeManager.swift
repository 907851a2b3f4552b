import Glibc
public import Layers
import Linux
public import Logging

/// Makes and removes snapshots of the pool's volumes by their schedules (docs/volumes.md).
public actor VolumeManager {
    private let pool: Pool
    private let logger: Logger
    /// What went wrong last with each volume: said once.
    private var failures: [String: String] = [:]
    private let runs = ScheduleRuns()

    public init(pool: Pool, logger: Logger) {
        self.pool = pool
        self.logger = logger
    }

    /// Looks at all volumes, now and every half minute, until it is cancelled.
    public func run() async throws {
        try await withTaskCancellationHandler {
            while true {
                await keepSchedules()
                try await Task.sleep(for: .seconds(30))
            }
        } onCancel: {
            Task { await runs.cancel() }
        }
    }

    private func keepSchedules() async {
        let pool = pool
        do {
            let volumes = try await blocking { try pool.allVolumes().filter { $0.schedule != nil } }
            let byName = Dictionary(volumes.map { ($0.name, $0) }) { first, _ in first }
            await runs.begin(volumes.map(\.name)) { [weak self] name in
                if let volume = byName[name] { await self?.keepSchedule(of: volume) }
            }
            failures = failures.filter { failure in volumes.contains { $0.name == failure.key } }
        } catch {
            logger.error("read volumes", metadata: ["error": "\(error)"])
        }
    }

    private func keepSchedule(of volume: Volume) async {
        let pool = pool
        do {
            let (made, removed) = try await blocking { try pool.keepSchedule(of: volume, now: Int64(time(nil))) }
            failures[volume.name] = nil
            if let made {
                logger.info("snapshot made by schedule", metadata: ["volume": "\(volume.name)", "snapshot": "\(made)"])
            }
            for name in removed {
                logger.info("snapshot removed by schedule", metadata: ["volume": "\(volume.name)", "snapshot": "\(name)"])
            }
        } catch {
            guard failures.updateValue("\(error)", forKey: volume.name) != "\(error)" else { return }
            logger.error("scheduled snapshot", metadata: ["volume": "\(volume.name)", "error": "\(error)"])
        }
    }
}
