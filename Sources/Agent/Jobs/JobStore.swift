import Glibc
import Layers
import Linux

/// The jobs on disk: a file each in the agent's state directory, replaced as a whole.
struct JobStore: Sendable {
    let stateDirectory: String

    private var directory: String { "\(stateDirectory)/jobs" }

    private func path(_ name: String) -> String { "\(directory)/\(name).json" }

    /// All jobs. What can't be read is kept for people to look at, out of the way: for each such job, why and where.
    func load() throws -> (jobs: [Job], damaged: [String: String]) {
        try Files.makeDirectories(directory, mode: 0o700)
        var (jobs, damaged): ([Job], [String: String]) = ([], [:])
        for file in try Files.list(directory) where file.hasSuffix(".json") {
            do {
                jobs.append(try StateFile.read(Job.self, "\(directory)/\(file)"))
            } catch {
                let place = try? DamagedFiles(stateDirectory).setAside("\(directory)/\(file)", as: "job-\(file)")
                damaged[String(file.dropLast(5))] = "\(error); it is set aside (\(place ?? "nowhere")), and its tasks run on"
            }
        }
        return (jobs, damaged)
    }

    func write(_ job: Job) throws { try StateFile.write(job, path(job.name)) }

    func remove(_ name: String) throws {
        guard unlink(path(name)) == 0 || errno == ENOENT else { throw SystemError("remove", path(name)) }
        try Files.syncDirectory(directory)
    }
}
