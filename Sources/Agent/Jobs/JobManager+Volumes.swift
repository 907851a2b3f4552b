import AgentAPI
import Layers
import Linux
import Spec

/// Rules for volumes of jobs: one that isn't shared has one task that writes to it.
extension JobManager {
    /// Refuses volumes that aren't there, and those that the replicas couldn't all have: a start would wait for them in vain.
    func checkVolumes(_ validation: JobValidation) async throws {
        let spec = validation.spec
        let mounts = spec.task.volumes
        guard !mounts.isEmpty else { return }
        let pool = configuration.pool
        // What is wrong with one that is there, a start says.
        let found = try await blocking {
            mounts.map { mount -> Volume?? in try? pool.volumeIfPresent(mount.volume) }
        }
        let seen = await tasks.list()
        for (index, (mount, volume)) in zip(mounts, found).enumerated() {
            guard let volume else { continue }
            let path = "task.volumes[\(index)]"
            guard let volume else {
                throw validation.fault(
                    path,
                    "there is no volume '\(mount.volume)' in the pool at '\(pool.path)'; make it: dish volume create \(mount.volume)",
                    .notFound)
            }
            if volume.shared == true {
                ownVolumes.remove(volume.name)
                continue
            }
            ownVolumes.insert(volume.name)
            let advice =
                "let all only read it (\(mount.volume):\(mount.path):ro), or let several write to it: dish volume set \(mount.volume) --shared"
            if !mount.readOnly, spec.replicas > 1 {
                throw validation.fault(
                    path, "\(spec.replicas) replicas can't all write to the volume '\(mount.volume)'; take one, \(advice)",
                    .conflict)
            }
            if let other = user(of: mount, beside: spec.name, seen) {
                throw validation.fault(path, "the volume '\(mount.volume)' is in use by \(other); \(advice)", .conflict)
            }
        }
    }

    /// Another task or job that can't have a volume beside a job.
    private func user(of mount: VolumeMount, beside job: String, _ seen: [TaskStatus]) -> String? {
        func conflicts(_ volumes: [VolumeMount]) -> Bool {
            volumes.contains { $0.volume == mount.volume && !($0.readOnly && mount.readOnly) }
        }
        let others = jobs.values.map(\.job).filter { $0.name != job && !$0.isStopped && !$0.isRemoved && $0.spec.replicas > 0 }
        if let other = others.first(where: { conflicts($0.spec.task.volumes) }) { return "the job '\(other.name)'" }
        let task = seen.first { $0.owner == nil && conflicts($0.volumes ?? []) }
        return task.map { "the task '\($0.name)'" }
    }

    /// Finds out which volumes of the jobs one task may write to.
    func findOwnVolumes() async {
        let names = Set(jobs.values.flatMap { $0.job.versions.flatMap(\.spec.task.volumes) }.map(\.volume))
        let pool = configuration.pool
        let own = try? await blocking { names.filter { (try? pool.volumeIfPresent($0))??.shared != true } }
        ownVolumes = Set(own ?? [])
    }
}
