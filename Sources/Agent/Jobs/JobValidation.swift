import AgentAPI
import Layers
import Networks

/// Checks a job that comes over the API; what is wrong is named by its field's path.
struct JobValidation {
    let spec: JobSpec
    /// The other jobs there are.
    let others: [JobSpec]

    func check() throws {
        try require(
            Self.isName(spec.name), "name",
            "'\(spec.name)' can't be a job's name: use letters, digits and dashes, 56 at most, not a dash first or last")
        try require((0...1000).contains(spec.replicas), "replicas", "must be from 0 to 1000, not \(spec.replicas)")
        try require(spec.stopTimeout <= 86400, "stopTimeout", "must be a day of seconds at most, not \(spec.stopTimeout)")
        try require((0...86400).contains(spec.drain), "drain", "must be from 0 to 86400 seconds, not \(spec.drain)")
        let update = spec.update
        try require((1...1000).contains(update.batch), "update.batch", "must be from 1 to 1000, not \(update.batch)")
        try require(
            (1...86400).contains(update.deadline), "update.deadline", "must be from 1 to 86400 seconds, not \(update.deadline)")
        try require((0...86400).contains(update.pause), "update.pause", "must be from 0 to 86400 seconds, not \(update.pause)")
        if let seconds = update.minReady {
            try require((0...86400).contains(seconds), "update.minReady", "must be from 0 to 86400 seconds, not \(seconds)")
        }
        if let seconds = spec.stopWithoutScheduler {
            try require(
                (1...31_536_000).contains(seconds), "stopWithoutScheduler", "must be from 1 second to a year, not \(seconds)")
        }
        try checkTask()
        try checkDependencies()
    }

    private func checkTask() throws {
        let task = spec.task
        try require(!task.image.isEmpty, "task.image", "is empty")
        try require(
            task.name == nil, "task.name", "is the agent's to give: replicas are called \(spec.name)-1, \(spec.name)-2, …")
        try require(
            task.secretValues == nil, "task.secretValues",
            "a job is kept and shown: name secrets of the host in task.secrets instead")
        for (index, text) in task.secrets.enumerated() where SecretUse(text) == nil {
            throw fault("task.secrets[\(index)]", "write NAME or CREDENTIAL=NAME, of letters, digits, '.', '_' and '-'")
        }
        try require(task.owner == nil, "task.owner", "is the agent's to give")
        try require(task.pool == nil, "task.pool", "can't be chosen: replicas run on the agent's pool")
        for (value, field) in [
            (task.terminal, "terminal"), (task.interactive, "interactive"), (task.attach, "attach"),
            (task.removeWhenDone, "removeWhenDone"),
        ] { try require(!value, "task.\(field)", "is nothing for a replica, which nobody sits in front of; leave it out") }
        try ofTask {
            try RequestCheck(task).run()
            // Whether an image is booted is known when it is there.
            var command = task
            command.command = task.command ?? [""]
            _ = try TaskConfinement(command, hasAccount: false)
        }
        try require(
            task.publish.isEmpty || task.network == .private, "task.publish",
            "only a private network has ports to publish, not '\(task.network.rawValue)'")
        for (index, text) in task.volumes.enumerated() where VolumeMount(text) == nil {
            throw fault("task.volumes[\(index)]", "'\(text)' is no volume for a task; write NAME:/path or NAME:/path:ro")
        }
        _ = try ports()
    }

    /// The ports it publishes.
    func ports() throws -> [PublishedPort] {
        var ports: [PublishedPort] = []
        for (index, text) in spec.task.publish.enumerated() {
            let path = "task.publish[\(index)]"
            guard let port = try? PublishedPort(text) else {
                throw fault(
                    path,
                    "'\(text)' is no port to publish; write HOST:TASK, like 8080:80, 127.0.0.1:8080:80, [::1]:8080:80 or 53:53/udp"
                )
            }
            try require(!ports.contains { $0.conflicts(with: port) }, path, "\(port) wants the same port of the host as another")
            for other in others {
                let taken = other.task.publish.contains { (try? PublishedPort($0))?.conflicts(with: port) == true }
                if taken { throw fault(path, "port \(port.hostPort) is in use by the job '\(other.name)'", .conflict) }
            }
            ports.append(port)
        }
        return ports
    }

    private func checkDependencies() throws {
        for (index, dependency) in spec.dependsOn.enumerated() {
            let path = "dependsOn[\(index)].job"
            try require(dependency.job != spec.name, path, "the job depends on itself")
            guard others.contains(where: { $0.name == dependency.job }) else {
                throw fault(path, "there is no job '\(dependency.job)'; apply it first")
            }
            if let cycle = cycle(from: dependency.job, [spec.name]) {
                throw fault(path, "the jobs wait for each other: \(cycle.joined(separator: " -> "))")
            }
        }
    }

    /// The way back to this job.
    private func cycle(from name: String, _ path: [String]) -> [String]? {
        if name == spec.name { return path + [name] }
        guard !path.contains(name), let job = others.first(where: { $0.name == name }) else { return nil }
        return job.dependsOn.lazy.compactMap { cycle(from: $0.job, path + [name]) }.first
    }

    /// Names a field of the task as one of the job.
    func ofTask(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as AgentError {
            guard let field = error.field else { throw error }
            let message = error.message.hasPrefix("\(field): ") ? String(error.message.dropFirst(field.count + 2)) : error.message
            throw fault("task.\(field)", message, error.code)
        }
    }

    private func require(_ condition: Bool, _ path: String, _ reason: String) throws {
        if !condition { throw fault(path, reason) }
    }

    func fault(_ path: String, _ reason: String, _ code: AgentError.Code = .invalid) -> AgentError {
        AgentError(code, "job '\(spec.name)': \(path): \(reason)", field: path)
    }

    static func isName(_ name: String) -> Bool {
        (1...56).contains(name.utf8.count) && name.first != "-" && name.last != "-"
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            }
    }
}
