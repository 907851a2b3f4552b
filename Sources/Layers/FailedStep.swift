import Btrfs
import Glibc
import Linux

/// A step that failed. The root as it was before it is kept in `<pool>/failed/<label>/`, until the target is
/// built or fails anew, or two weeks have passed.
public struct FailedStep: Sendable, Codable {
    public let label: String
    public let step: BuildRecord.Step
    /// The root's path while the step ran.
    public let root: String
    public let message: String

    public init(label: String, step: BuildRecord.Step, root: String, message: String) {
        self.label = label
        self.step = step
        self.root = root
        self.message = message
    }
}

extension Pool {
    /// The failed step of a target, with the root as it was before it; nil when the last build was none.
    public func failedStep(of label: String) throws -> (step: FailedStep, root: String)? {
        let folder = folder(ofFailure: label)
        guard Files.exists("\(folder)/failure.json") else { return nil }
        return (try StateFile.read(FailedStep.self, "\(folder)/failure.json"), "\(folder)/rootfs")
    }

    /// Keeps what a step found, which is moved out of staging.
    ///
    /// - Parameter snapshot: a subvolume of the staging directory, of the root before the step.
    public func keep(_ failure: FailedStep, snapshot: String, in staged: StagingDirectory) throws {
        let entry = "\(staged.path)/failed"
        try Files.makeDirectories(entry, mode: 0o700)
        try StateFile.write(failure, "\(entry)/failure.json", durable: false)
        try retryingInterrupts("move", snapshot) { rename(snapshot, "\(entry)/rootfs") }
        try forgetFailure(of: failure.label)
        let folder = folder(ofFailure: failure.label)
        try Files.makeDirectories(Files.parent(of: folder), mode: 0o700)
        try retryingInterrupts("keep the failed step in", folder) { rename(entry, folder) }
    }

    /// Removes what is kept of a target's failed step. Nothing there is no error.
    public func forgetFailure(of label: String) throws {
        let folder = folder(ofFailure: label)
        guard Files.exists(folder) else { return }
        // Through staging, so that being killed halfway leaves nothing that looks whole.
        let staged = try StagingDirectory(in: self)
        guard rename(folder, "\(staged.path)/layer") == 0 || errno == ENOENT else {
            throw SystemError("remove", folder)
        }
    }

    /// Removes what is kept of failed steps for longer than some seconds: nobody builds those targets any more.
    public func forgetFailures(olderThan seconds: Int64) throws {
        for label in try failedLabels() {
            var status = stat()
            guard stat("\(folder(ofFailure: label))/failure.json", &status) == 0,
                Int64(time(nil)) - Int64(status.st_mtim.tv_sec) > seconds
            else { continue }
            try forgetFailure(of: label)
        }
    }

    /// The labels of all targets whose failed step is kept.
    public func failedLabels() throws -> [String] {
        let folder = "\(path)/failed"
        guard Files.isDirectory(folder) else { return [] }
        return try Files.list(folder).compactMap { Self.decode($0) }
    }

    private func folder(ofFailure label: String) -> String { "\(path)/failed/\(Self.encode(label))" }
}
