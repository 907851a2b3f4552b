import AgentAPI

/// Requests that wait for images.
extension PackageManager {
    /// Has images fetched, and returns once they are here or an attempt at one has failed: others follow it.
    ///
    /// Who cancels that ends the attempts, but for what others want too.
    func arrival(of names: [String]) async throws {
        let (operation, changes) = (RunningOperation.current, changes)
        operation?.allowCancelling { changes.signal() }
        var attempts: [String: Int] = [:]
        for name in names {
            // One that has failed for good begins anew; how an attempt ends that is under way is an answer, too.
            attempts[name] = pulls[name].map { $0.task == nil ? 0 : $0.attempts - ($0.state == .pulling ? 1 : 0) } ?? 0
            waiting[name, default: 0] += 1
            await want(name)
        }
        var failure: (any Error)?
        do {
            for name in names { try await arrival(of: name, after: attempts[name] ?? 0, among: names) }
        } catch {
            failure = error
        }
        for name in names {
            let others = (waiting[name] ?? 1) - 1
            waiting[name] = others > 0 ? others : nil
            if operation?.cancellation != nil, others == 0, !standing.contains(name) { try? await forget(name) }
        }
        if let failure { throw failure }
    }

    private func arrival(of name: String, after attempts: Int, among names: [String]) async throws {
        let operation = RunningOperation.current
        while let pull = pulls[name] {
            if let cancellation = operation?.cancellation { throw cancellation }
            let hasFailed =
                pull.state == .failed || pull.state == .waiting && (pull.attempts > attempts || pull.code == .insufficient)
            if hasFailed {
                let next = pull.state == .failed ? "" : "; it is tried on, see: dish host packages"
                throw AgentError(pull.code, "pull '\(name)': \(pull.reason ?? "it failed")\(next)")
            }
            note(name, names)
            // Bytes are counted without a word.
            try await changes.wait(until: .now + .seconds(operation == nil ? 60 : 1))
        }
        if let cancellation = operation?.cancellation { throw cancellation }
        guard content.packages[name]?.layer != nil else {
            throw AgentError(.conflict, "pull '\(name)': somebody ended the attempts; ask again")
        }
    }

    /// Says how far those are that a request waits for.
    private func note(_ name: String, _ names: [String]) {
        let progress = names.compactMap { pulls[$0]?.progress.values }
        let total = progress.reduce(0) { $0 + $1.expected }
        let done = progress.reduce(0) { $0 + UInt64(max(0, $1.done)) }
        RunningOperation.current?.note(
            "\(name): \(pulls[name]?.progress.values.step ?? pulls[name]?.state.rawValue ?? "")",
            .init(done: min(done, total), total: total, unit: .bytes))
    }
}
