/// Work that is done for several names now and then: one that takes long keeps no other waiting, and isn't begun again meanwhile.
actor ScheduleRuns {
    private var underWay: [String: Task<Void, Never>] = [:]
    private let changes = ChangeSignal()
    /// How long the next one waits for the one before: they would only share a disk.
    private let patience: Duration

    init(patience: Duration = .seconds(1)) { self.patience = patience }

    /// Begins it for each name for which it isn't under way. Returns when all have begun.
    func begin(_ names: [String], _ body: @escaping @Sendable (String) async -> Void) async {
        for name in names where underWay[name] == nil {
            if Task.isCancelled { return }
            underWay[name] = Task {
                await body(name)
                underWay[name] = nil
                changes.signal()
            }
            let deadline = ContinuousClock.now + patience
            while underWay[name] != nil, ContinuousClock.now < deadline, !Task.isCancelled {
                try? await changes.wait(until: deadline)
            }
        }
    }

    /// Cancels what is under way.
    func cancel() { for task in underWay.values { task.cancel() } }
}
