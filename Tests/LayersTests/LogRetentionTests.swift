import Testing

@testable import Layers

struct LogRetentionTests {
    private func entry(_ number: Int, removed: Int64, bytes: UInt64 = 1) throws -> LogRetention.Entry {
        let layer = try #require(LayerID(String(repeating: "0", count: 64)))
        let record = TaskRecord(id: "\(number)", name: "task", image: "//a:b", layer: layer, quotaGroup: nil)
        return .init(task: RemovedTask(record, created: 0, removed: removed), bytes: bytes)
    }

    @Test func whatIsOldOrTooManyOrTooMuchGoesOldestFirst() throws {
        var retention = LogRetention()
        (retention.count, retention.seconds, retention.bytes) = (3, 100, 10)
        let few = try [entry(1, removed: 899), entry(2, removed: 900), entry(3, removed: 990)]
        #expect(retention.expired(few, now: 1000).map(\.id) == ["1"])
        let many = try (1...5).map { try entry($0, removed: 990 + Int64($0)) }
        #expect(retention.expired(many, now: 1000).map(\.id) == ["2", "1"])
        let big = try [entry(1, removed: 991, bytes: 4), entry(2, removed: 992, bytes: 4), entry(3, removed: 993, bytes: 7)]
        #expect(retention.expired(big, now: 1000).map(\.id) == ["2", "1"])
        // A clock that was ahead for a while.
        #expect(try retention.expired([entry(1, removed: 5000)], now: 1000) == [])
    }
}
