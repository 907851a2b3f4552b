public import Spec

/// A job as it is written: what it shall be, and where what others may contradict stands.
public struct JobDefinition: Sendable, Equatable {
    public let spec: JobSpec
    public let name: Located<String>
    /// As it is written.
    public let publish: [Located<String>]
    /// The names of the jobs that it depends on.
    public let dependencies: [Located<String>]

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        name = mapping.located("name") ?? Located("", at: mapping.place)
        publish = mapping.texts("publish")
        dependencies = try mapping.mappings("depends_on").map { $0.located("job") ?? Located("", at: $0.place) }
        var task: [String: JSONValue] = [:]
        for field in JobLanguage.taskFields { task[field.name.json] = try mapping.json(field) }
        var job: [String: JSONValue] = [:]
        for field in JobLanguage.jobFields { job[field.name.json] = try mapping.json(field) }
        if let stop = try mapping.mapping("stop") {
            for (name, field) in JobLanguage.stopFields { job[field.name.json] = try stop.json(field, name: name) }
            let signal = JobLanguage.stopSignal
            task[signal.field.name.json] = try stop.json(signal.field, name: signal.name)
        }
        if let without = try mapping.mapping("without_scheduler") {
            let after = JobLanguage.stopAfter
            job[after.field.name.json] = try without.json(after.field, name: after.name)
        }
        job["task"] = .object(task)
        var spec: JobSpec
        do throws(FieldFault) {
            spec = try JobSpec(checking: .object(job))
        } catch { throw ManifestError(mapping.place, error.sentence("'\(error.path)'")) }
        // Replicas are there to stay.
        if try mapping.mapping("restart")?["mode"] == nil { spec.task.restart.mode = .always }
        self.spec = spec
        try checkUse(mapping)
    }

    /// What keys say together.
    private func checkUse(_ mapping: CheckedMapping) throws(ManifestError) {
        if let port = publish.first, spec.task.network != .private {
            throw ManifestError(
                port.place,
                "a job with the network '\(spec.task.network.rawValue)' has no ports to publish; only a private network has")
        }
        try requireDistinct(dependencies) { "the dependency on '\($0)'" }
        if let own = dependencies.first(where: { $0 == name }) {
            throw ManifestError(own.place, "the job '\(name.value)' depends on itself")
        }
    }
}
