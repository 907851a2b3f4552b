import AgentAPI
import FoundationEssentials
import Layers
import Linux
import Networks
import Spec

/// What of a job can be known to be wrong before anything is made of it.
extension JobManager {
    func validation(of spec: JobSpec) -> JobValidation {
        JobValidation(spec: spec, others: jobs.values.filter { $0.job.name != spec.name }.map(\.job.spec))
    }

    /// Refuses a job that makes no sense beside the others there are.
    func check(_ spec: JobSpec) async throws {
        let validation = validation(of: spec)
        try validation.check()
        let (pool, secrets) = (configuration.pool, SecretStore(configuration))
        let (cpus, missing) = try await blocking {
            let missing = Set(spec.task.secrets.map(\.secret).filter { secrets.status($0) == nil })
            return (try HostResources.current(pool).cpus, missing)
        }
        try validation.ofTask { try LimitsCheck(spec.task).run(cpus: cpus) }
        for (index, use) in spec.task.secrets.enumerated() where missing.contains(use.secret) {
            throw validation.fault(
                "task.secrets[\(index)]",
                "there is no secret '\(use.secret)'; make it: dish secret create \(use.secret) FILE", .notFound)
        }
        try await checkVolumes(validation)
        try await checkPorts(validation)
    }

    /// Refuses ports that a task or a program of the host has.
    func checkPorts(_ validation: JobValidation) async throws {
        let own = jobs[validation.spec.name]?.job.spec.task.publish ?? []
        let (seen, network) = (await tasks.list(), configuration.network)
        for (index, port) in try validation.ports().enumerated() {
            if let task = seen.first(where: { $0.publish.contains { $0.conflicts(with: port) } }) {
                throw validation.fault(
                    "task.publish[\(index)]", "port \(port.hostPort) is in use by the task '\(task.name)'", .conflict)
            }
            guard !own.contains(where: { $0.conflicts(with: port) }) else { continue }
            do {
                try await blocking {
                    try network.requireFamily(of: port)
                    try network.requireAvailable(port)
                    try network.requireAnswers(on: port)
                }
            } catch let error as NetworkError {
                throw validation.fault(
                    "task.publish[\(index)]", error.description, error.code == .conflict ? .conflict : .invalid)
            }
        }
    }
}
