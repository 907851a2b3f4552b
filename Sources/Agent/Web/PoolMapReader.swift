import AgentAPI
import Layers
import Linux

/// Reads what uses how much of the pool: once for all that ask within some seconds.
actor PoolMapReader {
    private let path: String
    private var last: (at: ContinuousClock.Instant, reading: Task<PoolMap, any Error>)?

    private static let freshness = Duration.seconds(3)

    init(pool path: String) {
        self.path = path
    }

    func read() async throws -> PoolMap {
        if let last, ContinuousClock.now - last.at < Self.freshness { return try await last.reading.value }
        let path = path
        let reading = Task { try await blocking { try PoolMap(Pool(at: path)) } }
        last = (.now, reading)
        return try await reading.value
    }
}

extension PoolMap {
    /// Blocks.
    init(_ pool: Pool) throws {
        let usage = try pool.usage()
        let own = Dictionary(usage.layers.map { ($0.id, $0) }) { first, _ in first }
        let tasks = Dictionary(try pool.allTasks().map { ($0.id, $0.layer.hex) }) { first, _ in first }
        var names: [String: [String]] = [:]
        for (name, layer) in try pool.allNames() { names[layer.hex, default: []].append(name) }
        self.init(
            path: usage.path, total: usage.total, available: usage.available, dataUsed: usage.dataUsed,
            metadataUsed: usage.metadataUsed, quotas: usage.quotas,
            layers: try pool.allLayers().map { layer in
                Layer(
                    id: layer.id.hex, parent: layer.parent?.hex, label: layer.label,
                    names: names[layer.id.hex, default: []].sorted(), created: layer.created, entries: layer.entries,
                    size: layer.size, own: own[layer.id.hex]?.own)
            },
            tasks: usage.tasks.map {
                Entry(name: $0.name, id: $0.id, own: $0.own, limit: $0.limit, layer: tasks[$0.id])
            },
            volumes: usage.volumes.map { Entry(name: $0.name, id: $0.id, own: $0.own, limit: $0.limit, layer: nil) },
            others: try pool.bills(beside: usage).map { bills in
                bills.bytes.sorted { $0.key.rawValue < $1.key.rawValue }.map { Other(kind: $0.key.rawValue, bytes: $0.value) }
            })
    }
}
