import Glibc
import Linux
import TaskHelper

/// One task's helper: owns the container's process from its start to the record of its end, whatever becomes of
/// the agent (docs/architecture.md, "A task and its helper"). It has one thread and no runtime but Swift's own.
@main
struct DishHelper {
    static func main() {
        guard let spec = CommandLine.arguments.dropFirst().first.flatMap(specification) else {
            complain("dish-helper is started by dishd, with the path of a file that says what to run")
            exit(2)
        }
        for number in [SIGPIPE, SIGHUP, SIGINT] { signal(number, SIG_IGN) }
        do {
            // The agent makes it before it starts a helper: without it the task is gone, and nothing of it may come back.
            guard Files.isDirectory(spec.stateDirectory) else {
                complain("there is no task \(spec.id) any more")
                exit(1)
            }
            // Held until the process ends: a second helper for the task would be a second container on its root.
            guard let lock = try acquire(spec) else {
                complain("task \(spec.id) has a helper already, or needs none for its run \(spec.generation) any more")
                exit(1)
            }
            // By this the agent finds a helper that it must end by force.
            if let own = ProcessIdentity(running: getpid()) {
                let file = try OwnedFD.open("\(spec.stateDirectory)/lock", O_WRONLY | O_TRUNC)
                try? Files.write("\(own)\n".utf8, to: file.number, "lock")
            }
            // It has the task's variables, and isn't read again.
            unlink(spec.file)
            do {
                try Files.makeDirectories(spec.runtimeDirectory, mode: 0o700)
                var supervisor = try Supervisor(spec)
                supervisor.run()
            } catch {
                record("\(error)", spec)
                throw error
            }
            _ = consume lock
        } catch {
            complain("\(error)")
            exit(1)
        }
    }
}

private func specification(_ file: String) -> HelperSpec? {
    guard let text = try? OwnedFD.open(file, O_RDONLY).readAll(file, limit: HelperSpec.longestFile) else { return nil }
    return HelperSpec(text: text) ?? OlderSpecification(text: text)?.spec
}

/// Takes the task's lock for a run that still shall be.
///
/// One that its starter's end delayed may come when the next run's helper is there already, or hold the lock for the
/// moment in which it finds that its own run is over: that moment is waited for.
private func acquire(_ spec: HelperSpec) throws -> FileLock? {
    for _ in 0..<200 {
        if let lock = try FileLock.acquire("\(spec.stateDirectory)/lock") {
            if !spec.isCurrent { return nil }
            return consume lock
        }
        guard spec.isCurrent else { return nil }
        usleep(10_000)
    }
    return nil
}

/// Leaves the reason why a run never began, where the agent looks for its end.
private func record(_ reason: String, _ spec: HelperSpec) {
    let record = ExitRecord(
        generation: spec.generation, status: .code(127), outOfMemory: false, at: Int64(time(nil)), message: reason)
    try? Files.replace("\(spec.stateDirectory)/exit", with: record.text.utf8, durable: spec.durable)
}

func complain(_ text: String) {
    try? Files.write("dish-helper: \(text)\n".utf8, to: STDERR_FILENO, "standard error")
}
