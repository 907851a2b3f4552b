import AgentAPI
import Glibc
import Layers
import Linux
import Logging
import Spec

/// What is under way on this host because somebody asked for it, and what came of it.
///
/// Those in the background have a file each, written before whoever asked is told of them: the next agent can say what became of
/// them.
actor Operations {
    /// Milliseconds that one in the background is told of after its end.
    static let retention: Int64 = 3_600_000
    /// How many may be under way for one more in the background, and how many that have ended are told of.
    static let most = 500

    private let directory: String
    private let events: EventLog
    private let logger: Logger
    private var all: [String: RunningOperation] = [:]

    init(stateDirectory: String, events: EventLog, logger: Logger) {
        directory = "\(stateDirectory)/operations"
        self.events = events
        self.logger = logger
    }

    /// Takes over those of an earlier agent: what was under way has ended with it.
    func recover() async {
        let directory = directory
        let found: [OperationStatus]
        do {
            found = try await blocking {
                guard Files.exists(directory) else { return [] }
                return try Files.list(directory).compactMap { name in
                    let path = "\(directory)/\(name)"
                    if let status = try? StateFile.read(OperationStatus.self, path) { return status }
                    // It tells of something that is over: nothing hangs on it.
                    unlink(path)
                    return nil
                }
            }
        } catch {
            return logger.error("read the operations of an earlier agent", metadata: ["error": "\(error)"])
        }
        for var status in found {
            if !status.state.hasEnded {
                (status.state, status.ended) = (.interrupted, Self.now)
                status.error = AgentError(
                    .failed,
                    "the agent ended while this was under way; what was written down by then goes on without it: look at \(status.target)"
                )
                await write(status)
                record(status, status.error?.message ?? "")
            }
            all[status.id] = RunningOperation(status)
        }
        await sweep()
    }

    /// - Throws: `AgentError` when too many are under way.
    func begin(
        _ kind: OperationStatus.Kind, on target: String, by caller: String, inBackground isBackground: Bool
    ) async throws -> RunningOperation {
        guard !isBackground || all.values.count(where: { !$0.status.state.hasEnded }) < Self.most else {
            throw AgentError(.conflict, "\(Self.most) operations are under way; wait for some to end: dish operation ls")
        }
        let id = hexadecimal((0..<6).map { _ in UInt8.random(in: 0...255) })
        let status = OperationStatus(
            id: id, kind: kind, target: target, by: caller, isBackground: isBackground, started: Self.now)
        let operation = RunningOperation(status)
        all[id] = operation
        if isBackground {
            await sweep()
            do {
                try await writeDown(status)
            } catch {
                all[id] = nil
                throw AgentError(of: error, in: "write the operation down")
            }
            record(status, "asked for by \(caller)", as: "\(kind.rawValue) started")
        }
        return operation
    }

    /// - Parameter error: nil when it was done.
    func end(_ operation: RunningOperation, _ error: AgentError?, result: JSONValue?) async {
        await recordEvents()
        let wasCancelled = operation.cancellation != nil
        operation.end(error, result: operation.status.isBackground ? result : nil, at: Self.now)
        let status = operation.status
        guard status.isBackground else {
            // Who waited for it knows; who cancelled it asks once more.
            if !wasCancelled { all[status.id] = nil }
            return
        }
        await write(status)
        record(status, error?.message ?? "asked for by \(status.by)")
    }

    /// Returns once the events of what was done are in their file: they come before its answer.
    nonisolated func recordEvents() async { await events.flush() }

    /// Oldest first.
    func list() async -> [OperationStatus] {
        await sweep()
        return all.values.map(\.status).sorted { ($0.started, $0.id) < ($1.started, $1.id) }
    }

    func find(_ id: String) throws -> RunningOperation {
        guard let operation = all[id] else {
            throw AgentError(.notFound, "there is no operation '\(id)'; see what there is: dish operation ls --all")
        }
        return operation
    }

    func cancel(_ id: String, by caller: String) async throws -> OperationStatus {
        let operation = try find(id)
        let wasCancelled = operation.cancellation != nil
        try await operation.cancel(by: caller)
        if !wasCancelled {
            record(operation.status, "asked for by \(caller)", as: "\(operation.status.kind.rawValue) cancelling")
        }
        return operation.status
    }

    private func record(_ status: OperationStatus, _ reason: String, as what: String? = nil) {
        let name = status.target.split(separator: "/").last.map(String.init) ?? status.target
        events.record(.operation, name, id: status.id, what ?? "\(status.kind.rawValue) \(status.state.rawValue)", reason: reason)
    }

    private func writeDown(_ status: OperationStatus) async throws {
        let directory = directory
        try await blocking {
            try Files.makeDirectories(directory, mode: 0o700)
            try StateFile.write(status, "\(directory)/\(status.id).json")
        }
    }

    /// Writes down how an operation ended. Where that can't be it is tried again, for as long as it is told of.
    private func write(_ status: OperationStatus) async {
        do {
            try await writeDown(status)
        } catch {
            logger.error("write an operation down", metadata: ["operation": "\(status.id)", "error": "\(error)"])
            Task {
                try? await Task.sleep(for: .seconds(5))
                if all[status.id] != nil { await write(status) }
            }
        }
    }

    /// Forgets those that have ended long ago, or by a clock that has been set back since.
    private func sweep() async {
        let now = Self.now
        let ended = all.values.map(\.status).filter { $0.state.hasEnded }.sorted { ($0.ended ?? 0) > ($1.ended ?? 0) }
        let old = ended.enumerated().filter { index, status in
            let end = status.ended ?? 0
            return index >= Self.most || now - end > Self.retention || end > now
        }.map(\.element)
        guard !old.isEmpty else { return }
        for status in old { all[status.id] = nil }
        let directory = directory
        try? await blocking { for status in old where status.isBackground { unlink("\(directory)/\(status.id).json") } }
    }

    private static var now: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}
