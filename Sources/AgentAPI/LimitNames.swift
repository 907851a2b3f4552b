extension TaskRequest.Limits {
    /// Limits that are numbers, by the names they have in JSON.
    private static var numbers: [(name: String, path: WritableKeyPath<TaskRequest.Limits, UInt64?>)] {
        [
            ("cpu", \.cpu), ("cpuWeight", \.cpuWeight), ("memory", \.memory), ("memoryMin", \.memoryMin),
            ("memoryLow", \.memoryLow),
            ("memoryHigh", \.memoryHigh), ("memorySwap", \.memorySwap), ("ioWeight", \.ioWeight), ("ioReadBps", \.ioReadBps),
            ("ioWriteBps", \.ioWriteBps), ("ioReadIops", \.ioReadIops), ("ioWriteIops", \.ioWriteIops), ("pids", \.pids),
            ("hugepages", \.hugepages), ("disk", \.disk),
        ]
    }

    /// Takes the values that a change has, and lifts what it lifts.
    ///
    /// - Throws: `AgentError` `.invalid` for a name that no limit has, and for one that is both set and lifted.
    public mutating func apply(_ change: LimitsChange) throws(AgentError) {
        for (name, path) in Self.numbers {
            if let value = change.limits[keyPath: path] { self[keyPath: path] = value }
            guard change.lift.contains(name) else { continue }
            if change.limits[keyPath: path] != nil {
                throw AgentError(.invalid, "limits.\(name): it can't be both set and lifted", field: "limits.\(name)")
            }
            self[keyPath: path] = nil
        }
        if let cpus = change.limits.cpuset { cpuset = cpus }
        if change.lift.contains("cpuset") { cpuset = nil }
        for (index, name) in change.lift.enumerated() where name != "cpuset" && !Self.numbers.contains(where: { $0.name == name })
        {
            let names = (Self.numbers.map(\.name) + ["cpuset"]).sorted().joined(separator: ", ")
            throw AgentError(
                .invalid, "lift[\(index)]: there is no limit '\(name)'; there are \(names)", field: "lift[\(index)]")
        }
    }
}

extension LimitsChange {
    /// What changes, for people: `memory 1073741824, cpu lifted`.
    public var summary: String {
        var parts = TaskRequest.Limits.described(limits)
        parts += lift.map { "\($0) lifted" }
        return parts.joined(separator: ", ")
    }
}

extension TaskRequest.Limits {
    fileprivate static func described(_ limits: TaskRequest.Limits) -> [String] {
        numbers.compactMap { name, path in limits[keyPath: path].map { "\(name) \($0)" } }
            + (limits.cpuset.map { ["cpuset \($0)"] } ?? [])
    }
}
