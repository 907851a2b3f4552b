public import Layers
import Linux
public import Manifest
public import Runtime

/// Builds images of a workspace into a pool: what an image needs first, what doesn't depend on each other side by
/// side, and nothing whose inputs are as they were.
public struct Builder: Sendable {
    let workspace: Workspace
    let pool: Pool
    let runtime: any Runtime
    let options: BuildOptions
    let report: @Sendable (BuildEvent) -> Void

    public init(
        workspace: Workspace, pool: Pool, runtime: any Runtime, options: BuildOptions,
        report: @escaping @Sendable (BuildEvent) -> Void
    ) {
        self.workspace = workspace
        self.pool = pool
        self.runtime = runtime
        self.options = options
        self.report = report
    }

    /// Two weeks, in seconds.
    private static let failuresAreKept: Int64 = 14 * 24 * 3600

    private enum Outcome {
        case built(BuildResult.Target)
        case failed(any Error)
    }

    /// Builds targets that `Workspace.targets` gave, which holds what each one needs before it.
    ///
    /// - Parameter lock: the packages of each of them.
    /// - Throws: the first error; what is being built then is ended, what is built stays. When it keeps going,
    ///   `BuildError` `.someFailed` after everything that can be built is.
    public func build(_ targets: [ImageTarget], lock: LockFile) async throws -> BuildResult {
        try await blocking {
            try pool.cleanStaging()
            try pool.forgetFailures(olderThan: Self.failuresAreKept)
        }
        let digests = InputDigests(of: workspace, in: pool)
        defer { try? digests.save() }
        if !options.keepsGoing { try await checkBeforehand(targets, lock, digests) }
        return try await withThrowingTaskGroup(of: (Label, Outcome).self) { group in
            var built: [Label: BuildResult.Target] = [:]
            var failed: Set<Label> = []
            var firstError: (any Error)?
            var waiting = targets
            var running = 0
            while true {
                while running < options.jobs, let index = waiting.firstIndex(where: { isReady($0, built) }) {
                    let target = waiting.remove(at: index)
                    let layers = built.mapValues(\.layer)
                    let below = chain(below: target, in: targets)
                    running += 1
                    group.addTask { (target.label, try await outcome(of: target, on: layers, below, lock, digests)) }
                }
                guard running > 0, let (label, outcome) = try await group.next() else { break }
                running -= 1
                switch outcome {
                case .built(let target): built[label] = target
                case .failed(let error):
                    firstError = firstError ?? error
                    failed.insert(label)
                    skip(&waiting, needing: &failed)
                }
            }
            guard let firstError else { return BuildResult(targets: targets.compactMap { built[$0.label] }) }
            guard failed.count > 1 else { throw firstError }
            throw BuildError(.someFailed, "\(failed.count) of \(targets.count) images could not be built")
        }
    }

    /// Says what is missing in any of the images before one of them is begun.
    private func checkBeforehand(_ targets: [ImageTarget], _ lock: LockFile, _ digests: InputDigests) async throws {
        try await blocking {
            try TargetCheck.check(targets)
            for target in targets {
                _ = try lockedPackages(of: target, on: chain(below: target, in: targets), lock)
                _ = try BuildInputs(target, in: workspace, remembered: digests, readsContents: false)
            }
        }
    }

    /// Takes out what can't be built because of what failed.
    private func skip(_ waiting: inout [ImageTarget], needing failed: inout Set<Label>) {
        while let index = waiting.firstIndex(where: { !failed.isDisjoint(with: $0.needs) }) {
            let target = waiting.remove(at: index)
            if let cause = target.needs.first(where: failed.contains) { report(.skipped(target.label, because: cause)) }
            failed.insert(target.label)
        }
    }

    private func isReady(_ target: ImageTarget, _ built: [Label: BuildResult.Target]) -> Bool {
        target.needs.allSatisfy { built[$0] != nil }
    }

    private func outcome(
        of target: ImageTarget, on layers: [Label: Layer], _ below: [ImageTarget], _ lock: LockFile, _ digests: InputDigests
    ) async throws -> Outcome {
        do {
            return .built(try await make(target, on: layers, below, lock, digests))
        } catch {
            report(.failed(target.label, error))
            if options.keepsGoing, !(error is CancellationError) { return .failed(error) }
            throw error
        }
    }
}

extension ImageTarget {
    /// The images that must be built before it.
    public var needs: [Label] { dependencies.map(\.value) }
}
