public import AgentAPI
import Glibc
public import Layers
import Linux
public import Logging
public import Registry
import Spec

/// Makes images of registries present on this host, and keeps room for them (docs/packages.md).
///
/// Each image is fetched by one task, which tries until it has it; all who want it wait for that one.
public actor PackageManager {
    /// Gets an image into a pool and returns its layer.
    public typealias Fetch =
        @Sendable (_ reference: Reference, _ pool: Pool, _ report: @escaping @Sendable (TransferEvent) -> Void) async throws ->
        LayerID

    /// An image that isn't removed as long as this, or a copy, is there.
    struct HeldImage: Sendable {
        let layer: LayerID
        let hold: Pool
    }

    struct Pull {
        var state = PackageStatus.State.queued
        var attempts = 0
        var reason: String?
        /// What those get who wait for it.
        var code = AgentError.Code.conflict
        /// On the host's clock.
        var retryAt: Int64 = 0
        var progress = PullProgress()
        /// Tries until it is here; nil once it has failed for good.
        var task: Task<Void, Never>?
    }

    let configuration: AgentConfiguration
    let events: EventLog
    let logger: Logger
    let store: PackageStore
    private let fetch: Fetch
    var content = PackageStore.Content()
    var pulls: [String: Pull] = [:]
    /// How many requests wait for an image.
    var waiting: [String: Int] = [:]
    /// Images that are fetched whether or not anybody waits for them.
    var standing: Set<String> = []
    private var active = 0
    private(set) var revision: UInt64 = 1
    let changes = ChangeSignal()
    var isCollecting = false
    var isFull = false
    /// On the host's clock; nil: not since this agent started.
    var lastSweep: Int64?

    var policy: PackagePolicy { configuration.packages }

    /// - Parameter fetch: nil: from the registry that the reference names.
    public init(_ configuration: AgentConfiguration, events: EventLog, logger: Logger, fetch: Fetch? = nil) {
        self.configuration = configuration
        self.events = events
        self.logger = logger
        store = PackageStore(stateDirectory: configuration.stateDirectory)
        let options = configuration.packages.registry
        self.fetch = fetch ?? { try await ImageFetch($1, options, report: $2).run($0).id }
    }

    /// Goes on with what an earlier agent was asked for.
    public func recover() async {
        let (store, logger) = (store, logger)
        content = (try? await blocking { store.load(logger) }) ?? content
        for name in content.packages.filter(\.value.isWanted).keys.sorted() {
            standing.insert(name)
            start(name)
        }
    }

    /// Looks after the pool until it is cancelled.
    public func run() async throws {
        while true {
            await collect()
            try await Task.sleep(for: .milliseconds(policy.interval))
        }
    }

    // MARK: Requests

    /// Has images fetched; those that are here only if that is asked for.
    ///
    /// - Parameter waits: whether to return only when they are here, or an attempt has failed.
    public func prepull(_ request: PackageRequest, waits: Bool = false) async throws {
        let names = try request.references.enumerated().map { index, text in
            do {
                return try Reference(text).description
            } catch {
                throw AgentError(.invalid, "references[\(index)]: \(error)", field: "references[\(index)]")
            }
        }
        guard !names.isEmpty else {
            throw AgentError(.invalid, "is empty; name an image of a registry", at: "references")
        }
        let pool = configuration.pool
        var wanted: [String] = []
        for name in names where !wanted.contains(name) {
            let isHere = try await blocking { (try? pool.resolve(name)) != nil }
            guard !isHere || request.always else { continue }
            wanted.append(name)
        }
        if waits { return try await arrival(of: wanted) }
        for name in wanted {
            standing.insert(name)
            await want(name)
        }
    }

    /// Ends the attempts to fetch an image.
    public func forget(_ reference: String) async throws {
        guard let name = try? Reference(reference).description, pulls[name] != nil || content.packages[name]?.isWanted == true
        else {
            throw AgentError(
                .notFound,
                "nothing is being done to fetch '\(reference)'; see: dish host packages. One that is here goes with: dish image rm",
                field: "?reference")
        }
        pulls.removeValue(forKey: name)?.task?.cancel()
        standing.remove(name)
        content.packages[name]?.isWanted = false
        if content.packages[name]?.layer == nil { content.packages[name] = nil }
        await save()
        changed()
    }

    /// The layer that an image's name stands for; one of a registry is fetched first where the policy says so.
    ///
    /// - Throws: `PoolError` `.unknownImage` for one that is nowhere; `AgentError` with the reason when it can't be fetched now.
    func image(_ image: String, _ when: ImagePullPolicy) async throws -> HeldImage {
        let own = configuration.pool
        let pool = try await blocking { try own.holdingLayers() }
        let reference = try? Reference(image)
        let name = reference?.description ?? image
        if reference == nil || when != .always {
            do {
                let layer = try await blocking { try pool.resolve(name).id }
                content.uses[layer.hex] = Int64(time(nil))
                return HeldImage(layer: layer, hold: pool)
            } catch let error as PoolError where error.code == .unknownImage && reference != nil && when == .missing {}
        }
        try await arrival(of: [name])
        guard let layer = content.packages[name]?.layer else {
            throw AgentError(.conflict, "pull '\(name)': somebody ended the attempts; ask again")
        }
        guard try await blocking({ try pool.layer(layer) }) != nil else {
            throw AgentError(.conflict, "the image '\(name)' was fetched and is gone again; try again")
        }
        return HeldImage(layer: layer, hold: pool)
    }

    /// Whether a registry can be asked for an image of this name.
    nonisolated static func isReference(_ image: String) -> Bool { (try? Reference(image)) != nil }

    // MARK: Pulling

    func want(_ name: String) async {
        content.packages[name, default: .init()].isWanted = true
        if pulls[name]?.task == nil {
            start(name)
        } else {
            // Who asks now wants it now.
            pulls[name]?.retryAt = 0
            changed()
        }
        await save()
    }

    private func start(_ name: String) {
        pulls[name] = Pull()
        pulls[name]?.task = Task { await pull(name) }
        changed()
    }

    /// Tries until an image is here.
    private func pull(_ name: String) async {
        while !Task.isCancelled, pulls[name] != nil {
            pulls[name]?.state = .queued
            while active >= policy.pulls, !Task.isCancelled { try? await changes.wait(until: .now + .seconds(60)) }
            if Task.isCancelled { break }
            active += 1
            let failure = await attempt(name)
            active -= 1
            guard !Task.isCancelled, pulls[name] != nil else { break }
            guard let failure else {
                pulls[name] = nil
                standing.remove(name)
                // Whoever asked for it while that was written down has it, too.
                if content.packages[name]?.isWanted == true {
                    content.packages[name]?.isWanted = false
                    await save()
                }
                break
            }
            pulls[name]?.reason = failure.reason
            pulls[name]?.code = failure.code
            guard failure.isTransient else {
                standing.remove(name)
                pulls[name]?.state = .failed
                pulls[name]?.task = nil
                content.packages[name]?.isWanted = false
                await save()
                events.record(.image, name, "pull failed", reason: failure.reason)
                break
            }
            let delay = PackagePolicy.backoff(after: max(1, pulls[name]?.attempts ?? 1))
            pulls[name]?.state = .waiting
            pulls[name]?.retryAt = HostClock.now + delay
            events.record(.image, name, "pull failed", reason: "\(failure.reason); it is tried again in \(delay / 1000) s")
            changed()
            while let pull = pulls[name], !Task.isCancelled, case let left = pull.retryAt - HostClock.now, left > 0 {
                try? await changes.wait(until: .now + .milliseconds(left))
            }
        }
        changed()
    }

    /// Fetches an image once. Returns what went wrong.
    private func attempt(_ name: String) async -> PullFailure? {
        await collect()
        if isFull { return .full(await fullness()) }
        do {
            let reference = try Reference(name)
            let own = configuration.pool
            let pool = try await blocking { try own.holdingLayers() }
            let isForeign = try await blocking { try pool.allNames()[name] != nil }
            let progress = PullProgress()
            if Task.isCancelled { return nil }
            pulls[name]?.state = .pulling
            pulls[name]?.attempts += 1
            pulls[name]?.progress = progress
            changed()
            events.record(.image, name, "pulling", reason: "attempt \(pulls[name]?.attempts ?? 1)")
            let layer = try await fetch(reference, pool) { progress.note($0) }
            let now = Int64(time(nil))
            // Also when somebody ended the attempts at the last moment: what isn't known never goes.
            var record = content.packages[name] ?? .init()
            if record.layer == nil { record.isForeign = isForeign }
            (record.layer, record.pulled) = (layer, now)
            if !Task.isCancelled { record.isWanted = false }
            content.packages[name] = record
            content.uses[layer.hex] = now
            await save()
            events.record(
                .image, name, "pulled", reason: "layer \(layer.short), \(max(0, progress.values.done)) bytes transferred")
            logger.info("image", metadata: ["image": "\(name)", "what": "pulled", "layer": "\(layer.short)"])
            return nil
        } catch {
            return PullFailure(error)
        }
    }

    func save() async {
        let (store, content) = (store, content)
        do {
            try await blocking { try store.write(content) }
        } catch {
            logger.error("write what is remembered of images", metadata: ["error": "\(error)"])
        }
    }

    func changed() {
        revision += 1
        changes.signal()
    }

    // MARK: Status

    /// Returns once something has changed since an answer, or after so many seconds.
    public func status(after revision: UInt64?, seconds: Int) async throws -> PackagesStatus {
        let deadline = ContinuousClock.now + .seconds(max(0, min(seconds, 3600)))
        while let revision, self.revision == revision, ContinuousClock.now < deadline { try await changes.wait(until: deadline) }
        return await status()
    }

    func status() async -> PackagesStatus {
        let pressure = await pressure()
        let names = Set(content.packages.keys).union(pulls.keys)
        return PackagesStatus(revision: revision, pool: pressure, packages: names.sorted().map(describe))
    }

    private func describe(_ name: String) -> PackageStatus {
        let record = content.packages[name]
        let pull = pulls[name]
        var status = PackageStatus(reference: name, state: pull?.state ?? (record?.layer == nil ? .queued : .present))
        status.layer = record?.layer?.hex
        status.pulled = record?.pulled
        status.lastUsed = record?.layer.flatMap { content.uses[$0.hex] }
        guard let pull else { return status }
        let progress = pull.progress.values
        (status.bytes, status.expected, status.step) = (UInt64(max(0, progress.done)), progress.expected, progress.step)
        (status.attempts, status.reason) = (pull.attempts, pull.reason)
        if pull.state == .waiting { status.retryIn = max(0, pull.retryAt - HostClock.now) }
        return status
    }
}
