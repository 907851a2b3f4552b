import AgentAPI
import Layers
import Networks
import Spec

/// Checks a job that comes over the API; what is wrong is named by its field's path.
struct JobValidation {
    let spec: JobSpec
    /// The other jobs there are.
    let others: [JobSpec]

    func check() throws {
        do {
            try spec.check()
        } catch { throw fault(error.path, error.reason) }
        try checkTask()
        try checkDependencies()
    }

    private func checkTask() throws {
        let task = spec.task
        try require(
            task.name == nil, "task.name", "is the agent's to give: replicas are called \(spec.name)-1, \(spec.name)-2, …")
        try require(
            task.secretValues == nil, "task.secretValues",
            "a job is kept and shown: name secrets of the host in task.secrets instead")
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
        _ = try ports()
    }

    /// The ports it publishes.
    func ports() throws -> [PublishedPort] {
        var ports: [PublishedPort] = []
        for (index, port) in spec.task.publish.enumerated() {
            let path = "task.publish[\(index)]"
            try require(!ports.contains { $0.conflicts(with: port) }, path, "\(port) wants the same port of the host as another")
            for other in others {
                let taken = other.task.publish.contains { $0.conflicts(with: port) }
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
            throw fault("task.\(field)", error.reason ?? error.message, error.code)
        }
    }

    private func require(_ condition: Bool, _ path: String, _ reason: String) throws {
        if !condition { throw fault(path, reason) }
    }

    func fault(_ path: String, _ reason: String, _ code: AgentError.Code = .invalid) -> AgentError {
        AgentError(code, "job '\(spec.name)': \(path): \(reason)", field: path)
    }
}
