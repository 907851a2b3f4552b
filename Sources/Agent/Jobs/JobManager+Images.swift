import AgentAPI
import Layers
import Linux
import Logging
import Spec

/// What jobs run from: it is there before they need it, and stays (docs/packages.md).
extension JobManager {
    /// The image of a job, fetched where its policy says so; nil when it is only asked what a job would change, and the image isn't here.
    func image(of spec: JobSpec, dryRun: Bool) async throws -> PackageManager.HeldImage? {
        do {
            return try await packages.image(spec.task.image, dryRun ? .never : spec.pull)
        } catch let error as PoolError {
            if dryRun, error.code == .unknownImage, spec.pull != .never, PackageManager.isReference(spec.task.image) {
                return nil
            }
            throw AgentError(
                error.code == .unknownImage ? .notFound : .invalid, "job '\(spec.name)': task.image: \(error.description)",
                field: "task.image")
        } catch let error as AgentError {
            throw AgentError(error.code, "job '\(spec.name)': task.image: \(error.message)", field: "task.image")
        }
    }

    /// Tells the pool which layers jobs count on, also while no agent runs: those of their replicas, and of the versions that they can be
    /// rolled back to.
    func keepLayers() async {
        let wanted = jobs.values.map(\.job).reduce(into: [LayerID: String]()) { layers, job in
            for version in job.keptVersions(configuration.packages.versions) {
                guard let layer = LayerID(version.layer) else { continue }
                layers[layer] = layers[layer] ?? "version \(version.number) of the job '\(job.name)'"
            }
        }
        guard wanted != kept else { return }
        let (pool, owner) = (configuration.pool, owner)
        do {
            try await blocking { try pool.keep(wanted, for: owner) }
            kept = wanted
        } catch {
            // A pool that can't be written loses nothing either; it is tried again with the next change.
            logger.error("keep the layers of jobs", metadata: ["pool": "\(pool.path)", "error": "\(error)"])
        }
    }

    /// Which of those that keep layers of the pool this agent is: whoever has its state.
    private var owner: String { hexadecimal(ContentHash.bytes(Array(configuration.stateDirectory.utf8)).prefix(8)) }
}

extension Job {
    /// The versions whose layers stay: the target, the one to go back to, those that a replica could still be of, and so many before.
    func keptVersions(_ count: Int) -> [JobVersion] {
        let latest = versions.suffix(count + 1)
        return latest + [fallback].compactMap { $0 }.filter { version in !latest.contains { $0.number == version.number } }
    }
}
