import AgentAPI
import CLinux
import Glibc
import Linux
import Networks
import Spec
import TaskAccess
import TaskHelper

/// A running task as its health checks reach it.
struct CheckedTask: Sendable {
    let id: String
    let name: String
    let network: TaskRequest.Network
    /// In the agent's network.
    let address: IPv4Address?
    /// The container's process 1.
    let leader: ProcessIdentity
    /// `cgroup.procs` files that a process joining the task enters.
    let cgroups: [String]
    /// How it is entered.
    let files: EntryFiles
    /// What the image and whoever started it gave it.
    let environment: [String: String]
}

/// One health check of one task.
struct HealthProbe: Sendable {
    private let check: HealthCheck
    private let task: CheckedTask
    /// The invocation (systemd.exec(5), `$INVOCATION_ID`) in which the unit was last seen active.
    private var invocation: String?

    init(_ check: HealthCheck, in task: CheckedTask) {
        self.check = check
        self.task = task
    }

    /// Asks the task.
    ///
    /// - Returns: nil when all is well, else what is wrong.
    mutating func ask() async -> String? {
        do {
            switch check.probe {
            case .command(let command): return try await run(command)
            case .tcp(let port): return try await connect(port, request: nil)
            case .http(let port, let path):
                let host = task.address.map { "\($0)" } ?? "localhost"
                return try await connect(
                    port, request: "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: dishd\r\nConnection: close\r\n\r\n")
            case .unit(let name): return try await askUnit(name)
            }
        } catch is TimeLimitExceeded {
            return "no answer within \(check.timeout) s"
        } catch {
            return "\(error)"
        }
    }

    private func run(_ command: [String]) async throws -> String? {
        let (task, timeout) = (task, check.timeout)
        return try await blocking {
            let name = "task '\(task.name)'"
            let entry = try TaskEntry(
                into: task.leader, cgroups: task.cgroups, confinement: task.files.confinement(of: name), name: name)
            var running = Command(try entry.spawn(command, as: .root, environment: task.environment, directory: "/"))
            running.spawn.timeLimit = .seconds(timeout)
            running.outputLimit = 4096
            let result = try running.runBlocking()
            _ = consume entry
            if result.status.isSuccess { return nil }
            let said = (result.errorText + " " + result.text).split(whereSeparator: \.isNewline).joined(separator: "; ")
            return "\(result.status)\(said.allSatisfy { $0 == " " } ? "" : ": \(said.prefix(200))")"
        }
    }

    /// A unit is active as long as it is in the invocation in which systemd said so: its link is gone, or another, once it
    /// has ended. Asking systemctl each time would cost the task a process.
    private mutating func askUnit(_ name: String) async throws -> String? {
        let link = "run/systemd/units/invocation:\(name)"
        let current = Self.readLink(link, in: task.leader)
        if let current, current == invocation { return nil }
        invocation = nil
        let failure = try await run(["systemctl", "is-active", "--", name])
        if failure == nil { invocation = current }
        return failure
    }

    private static func readLink(_ path: String, in leader: ProcessIdentity) -> String? {
        guard let root = try? OwnedFD.open("/proc/\(leader.pid)/root", DISH_O_PATH | O_DIRECTORY), leader.isRunning,
            let link = try? root.open(inRoot: path, DISH_O_PATH | O_NOFOLLOW)
        else { return nil }
        var target = [CChar](repeating: 0, count: 256)
        let count = readlinkat(link.number, "", &target, target.count)
        return count > 0 ? String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    // MARK: Connections

    private func connect(_ port: UInt16, request: String?) async throws -> String? {
        let (task, timeout) = (task, check.timeout)
        return try await blocking {
            if task.network == .none {
                // Only of this thread, which ends with the question.
                let namespace = try OwnedFD.open("/proc/\(task.leader.pid)/ns/net", O_RDONLY)
                // Once the descriptor is open the number can't change hands behind it.
                guard task.leader.isRunning else { throw AgentError(.conflict, "the task has ended") }
                guard dish_setns(namespace.number, DISH_CLONE_NEWNET) == 0 else { throw SystemError("join network namespace") }
            }
            let connection = try TimedConnection.open(
                to: task.address?.value ?? 0x7f00_0001, port: port, deadline: .now + .seconds(timeout))
            guard let request else { return nil }
            try connection.send(Array(request.utf8))
            let line = try connection.firstLine()
            let words = line.split(separator: " ")
            guard words.count >= 2, words[0].hasPrefix("HTTP/"), let status = Int(words[1]) else { return "it answered no HTTP" }
            return (200..<400).contains(status) ? nil : "it answered with status \(status)"
        }
    }
}
