/// Fetches several things side by side and uses them one after the other, in their order, while the rest is on its way.
enum Pipeline {
    /// How many are fetched at a time.
    static let width = 4

    static func run<Item: Sendable>(
        _ count: Int, fetch: @escaping @Sendable (Int) async throws -> Item, use: (Int, Item) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: (Int, Item).self) { group in
            var (started, used) = (0, 0)
            var ready: [Int: Item] = [:]
            while used < count {
                while started < count, started < used + width {
                    let index = started
                    group.addTask { (index, try await fetch(index)) }
                    started += 1
                }
                if let item = ready.removeValue(forKey: used) {
                    try await use(used, item)
                    used += 1
                } else if let (index, item) = try await group.next() {
                    ready[index] = item
                }
            }
        }
    }
}
