import CLinux
import Glibc
import Layers
import Linux
import Manifest
import Synchronization
import TaskAccess
import TaskHelper

/// A throw-away copy of an image that has been booted with its own init, without network, in a user namespace.
final class BootedCopy: Sendable {
    private let copy: TestCopy
    private let entry: TaskEntry

    private enum Outcome {
        case ended(ExitStatus)
        case checked([TestFailure])
    }

    private final class Progress: Sendable {
        let isBooted = Mutex(false)
    }

    private init(_ copy: TestCopy, leader: ProcessIdentity, in cgroup: TestCgroup) throws {
        self.copy = copy
        entry = try TaskEntry(
            into: leader, cgroups: cgroup.joining(), confinement: TestCopy.confinementWhenBooted(), name: "the booted image")
    }

    /// Boots a copy, waits until it has started, and calls `body`; then everything in it is ended, whatever happened.
    ///
    /// - Returns: what isn't as the test expects it, of the boot or else of what `body` found.
    static func use(
        _ copy: TestCopy, _ expected: Located<BootExpectation>, transcript: Transcript,
        _ body: @escaping @Sendable (BootedCopy) async throws -> [TestFailure]
    ) async throws -> [TestFailure] {
        let cgroup = try await blocking { try TestCgroup(for: copy.staged, in: copy.pool, memory: copy.limits.memory) }
        var command = Command(try cgroup.enclosing(copy.boot()))
        command.mergesErrors = true
        command.outputLimit = 0
        command.onOutput = { transcript.append($0) }
        let running = command
        let outcome: Result<[TestFailure], any Error>
        do {
            outcome = .success(try await checked(copy, running, cgroup, expected, transcript, body))
        } catch {
            outcome = .failure(error)
        }
        let kills = cgroup.kills
        try await blocking { try cgroup.remove(endingAllOn: copy.staged.root) }
        let failures = try outcome.get()
        return kills > 0 ? failures + [copy.memoryFailure(expected.place)] : failures
    }

    private static func checked(
        _ copy: TestCopy, _ command: Command, _ cgroup: TestCgroup, _ expected: Located<BootExpectation>,
        _ transcript: Transcript,
        _ body: @escaping @Sendable (BootedCopy) async throws -> [TestFailure]
    ) async throws -> [TestFailure] {
        let progress = Progress()
        return try await withThrowingTaskGroup(of: Outcome.self) { group in
            defer { group.cancelAll() }
            group.addTask { .ended(try await command.run().status) }
            group.addTask {
                let checked = try await started(copy, cgroup, expected, transcript) { booted in
                    progress.isBooted.withLock { $0 = true }
                    return try await body(booted)
                }
                return .checked(checked)
            }
            switch try await group.next() {
            case .checked(let failures): return failures
            case .ended(let status):
                // What runs in it ends with it, and tells more.
                if progress.isBooted.withLock({ $0 }), case .checked(let failures) = try await group.next() { return failures }
                return [
                    TestFailure(
                        expected.place, expected: "the image to boot",
                        seen: "it ended with \(status)\(quoted(transcript.text, "; its console shows"))")
                ]
            case nil: return []
            }
        }
    }

    private static func started(
        _ copy: TestCopy, _ cgroup: TestCgroup, _ expected: Located<BootExpectation>, _ transcript: Transcript,
        _ body: @Sendable (BootedCopy) async throws -> [TestFailure]
    ) async throws -> [TestFailure] {
        let deadline = ContinuousClock.now + .seconds(expected.value.timeout)
        func fault(_ what: String, _ seen: String) -> [TestFailure] {
            [TestFailure(expected.place, expected: what, seen: seen)]
        }
        guard let leader = try await ContainerLeader.find(root: copy.staged.root, until: deadline) else {
            return fault(
                "an init to start within \(expected.value.timeout) s",
                "none did\(quoted(transcript.text, "; its console shows"))")
        }
        let booted = try BootedCopy(copy, leader: leader, in: cgroup)
        var status = SystemStatus()
        while !status.isStarted(with: expected.value.units) {
            if let broken = status.broken.first {
                let shown = try? await booted.output(
                    of: Arguments("systemctl", "status").flag("no-pager", "full").option("lines", 20).words(broken.name).list)
                return fault("the unit \(broken.name) to be active", "it is \(broken.state)\(quoted(shown ?? "", ""))")
            }
            guard ContinuousClock.now < deadline else {
                let jobs = try? await booted.output(
                    of: Arguments("systemctl", "list-jobs").flag("no-pager", "no-legend").list)
                let what = expected.value.units.isEmpty ? "" : " and \(expected.value.units.joined(separator: ", ")) to be active"
                return fault(
                    "the system to have started\(what) within \(expected.value.timeout) s",
                    "\(status.description)\(quoted(jobs ?? "", "; its jobs are"))")
            }
            try await Task.sleep(for: .milliseconds(50))
            status = SystemStatus(
                // Until init listens there is no answer.
                system: (try? await booted.output(of: SystemStatus.systemQuery)) ?? "",
                units: expected.value.units.isEmpty
                    ? "" : (try? await booted.output(of: SystemStatus.query(expected.value.units))) ?? "",
                names: expected.value.units)
            try Task.checkCancellation()
        }
        return try await body(booted)
    }

    /// A command in the booted system.
    func command(_ command: TestCommand) throws -> Command {
        try run(command.arguments, as: command.user)
    }

    private func output(of command: [String]) async throws -> String {
        var command = try run(command, as: "root")
        command.spawn.timeLimit = .seconds(10)
        command.outputLimit = Transcript.commandLimit
        return try await command.run().text
    }

    private func run(_ command: [String], as user: String) throws -> Command {
        // Users may have been made by the boot.
        let account = try TaskUser(user, in: entry.root, of: "the booted image")
        return Command(try entry.spawn(command, as: account, environment: copy.environment, directory: "/"))
    }
}
