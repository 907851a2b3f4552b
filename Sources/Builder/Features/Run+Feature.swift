import Btrfs
import Linux
import Manifest
import Runtime

extension ImageBuild {
    func perform(_ run: Run, in root: String, at place: ManifestError.Place) async throws {
        step("run step \(run.position + 1) of \(runs)")
        guard let outputs = run.outputs else { return try await execute(run, in: root, at: place) }
        // Beside the root, where the staging directory takes it away should this fail.
        let before = "\(Files.parent(of: root))/before"
        try await blocking { try Subvolume.snapshot(root, to: before) }
        try await execute(run, in: root, at: place)
        try await blocking {
            try (sandbox.runtime as? StepRuntime)?.takeHostsAway()
            // It is put back when the step has ended, as another inode.
            var apart = try sandbox.runtime.pathTakenAway(from: before).map { [$0] } ?? []
            if try SandboxHosts.isSame(before, root) { apart.append(SandboxHosts.path) }
            let changes = TreeComparison(before: before, after: root, ignoring: outputs + apart)
            if let path = try changes.first() {
                throw ManifestError(place, "the run step changed '\(path)', which is not among its outputs")
            }
            for output in outputs where try !RootDirectory(root).exists(output) {
                throw ManifestError(place, "the run step did not make its output '\(output)'")
            }
            try Subvolume.deleteRecursively(before)
        }
    }

    private var runs: Int {
        target.features.count { feature in
            if case .run = feature.content { true } else { false }
        }
    }

    private func execute(_ run: Run, in root: String, at place: ManifestError.Place) async throws {
        let what = "\(place): the run step failed"
        let timeout = run.timeout.map { Duration.seconds($0) }
        guard let appliance = run.appliance?.value, let layer = layers[appliance] else {
            return try await sandbox.run(run.script, in: root, what: what, timeout: timeout, onOutput: output)
        }
        // Of its own, to know the sandbox's names; beside the root, as above.
        let copy = "\(Files.parent(of: root))/appliance"
        try await blocking {
            try Subvolume.snapshot(layer, to: copy)
            try SandboxHosts.add(to: copy)
        }
        try await sandbox.run(
            run.script, in: copy, what: what, timeout: timeout,
            configure: { container in
                container.readOnly = true
                container.binds.append(.init(root, at: Run.target, readOnly: false))
            }, onOutput: output)
        try await blocking { try Subvolume.deleteRecursively(copy) }
    }
}
