import AgentAPI
import Glibc
import Hummingbird
import Linux
import Spec

/// The API's part for secrets that the host keeps.
struct SecretRoutes {
    let store: SecretStore
    let tasks: TaskManager
    let jobs: JobManager

    func add(to router: Router<AgentRequestContext>) {
        let (store, events) = (store, tasks.events)
        router.get("/v1/secrets") { _, _ in
            await answer {
                var all = try await blocking { try store.list() }
                for index in all.indices { all[index].usedBy = await users(of: all[index].name) }
                return all
            }
        }
        router.put("/v1/secrets/:name") { request, context in
            await answer {
                let name = try name(context)
                guard Names.isSecret(name) else {
                    throw AgentError(
                        .invalid, "'\(name)' can't be a secret's name: use letters, digits, '.', '_' and '-', 64 at most",
                        field: "name")
                }
                let wanted = try await decode(SecretRequest.self, from: request)
                let content = try RequestedSecrets.content(wanted.value, "value")
                try await blocking { try store.write(name, content, replaces: wanted.replace != false) }
                events.record(.secret, name, "kept", reason: context.because())
                var status = SecretStatus(name: name, size: content.count, changed: Int64(time(nil)), usedBy: [])
                status.usedBy = await users(of: name)
                return status
            }
        }
        router.delete("/v1/secrets/:name") { _, context in
            await answer {
                let name = try name(context)
                guard store.status(name) != nil else {
                    throw AgentError(.notFound, "there is no secret '\(name)'; see what there is: dish secret ls")
                }
                if let user = await users(of: name).first {
                    throw AgentError(.conflict, "the secret '\(name)' is given to '\(user)'; remove that first")
                }
                try await blocking { try store.remove(name) }
                events.record(.secret, name, "removed", reason: context.because())
                return Done()
            }
        }
    }

    private func users(of secret: String) async -> [String] {
        let (tasks, jobs) = (await tasks.users(ofSecret: secret), await jobs.users(ofSecret: secret))
        return jobs.map { "job \($0)" } + tasks
    }
}

extension TaskManager {
    func users(ofSecret name: String) -> [String] {
        tasks.values.map(\.intent).filter { $0.credentials?.contains { $0.secret == name } == true }.map(\.name).sorted()
    }
}

extension JobManager {
    func users(ofSecret name: String) -> [String] {
        jobs.values.map(\.job).filter { $0.spec.task.secrets.contains { $0.secret == name } }.map(\.name).sorted()
    }
}
