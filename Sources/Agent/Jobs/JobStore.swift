import Glibc
import Layers
import Linux
import Logging

/// The jobs on disk: a file each in the agent's state directory, replaced as a whole.
struct JobStore: Sendable {
    let stateDirectory: String

    private var directory: String { "\(stateDirectory)/jobs" }

    private func path(_ name: String) -> String { "\(directory)/\(name).json" }

    /// All jobs. What can't be read is kept for people to look at, out of the way.
    func load(_ logger: Logger) throws -> [Job] {
        try Files.makeDirectories(directory, mode: 0o700)
        return try Files.list(directory).filter { $0.hasSuffix(".json") }.compactMap { file in
            do {
                return try StateFile.read(Job.self, "\(directory)/\(file)")
            } catch {
                let target = (try? DamagedFiles(stateDirectory).setAside("\(directory)/\(file)", as: "job-\(file)")) ?? "nowhere"
                logger.error(
                    "a job can't be read and is set aside; its tasks run on",
                    metadata: ["job": "\(file.dropLast(5))", "error": "\(error)", "to": "\(target)"])
                return nil
            }
        }
    }

    func write(_ job: Job) throws { try StateFile.write(job, path(job.name)) }

    func remove(_ name: String) throws {
        guard unlink(path(name)) == 0 || errno == ENOENT else { throw SystemError("remove", path(name)) }
        try Files.syncDirectory(directory)
    }
}
