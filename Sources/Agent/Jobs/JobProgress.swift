import FoundationEssentials
import Glibc
import Layers
import Linux
import TaskHelper

/// How far the reconciler has come with each job, for the next agent of the same start of the host: deadlines, pauses and back-off
/// go on where they were, however often the agent is started.
///
/// It is beside the sockets: its times mean nothing after another start of the host.
struct JobProgress: Sendable {
    private struct Noted: Codable {
        let boot: String
        let machine: JobReconciler
    }

    private let directory: String
    private let boot = (try? ProcessIdentity.bootID()) ?? ""

    init(runtimeDirectory: String) {
        directory = "\(runtimeDirectory)/jobs"
    }

    private func path(_ name: String) -> String { "\(directory)/\(name).json" }

    /// Nil when nothing is known: then it begins anew.
    func read(_ name: String) -> JobReconciler? {
        guard let noted = try? StateFile.read(Noted.self, path(name)), noted.boot == boot else { return nil }
        return noted.machine
    }

    func write(_ machine: JobReconciler, _ name: String) throws {
        try Files.makeDirectories(directory, mode: 0o700)
        try StateFile.write(Noted(boot: boot, machine: machine), path(name), durable: false)
    }

    func remove(_ name: String) { unlink(path(name)) }
}
