import AgentAPI

/// All that one scrape tells (docs/metrics.md).
struct MetricsSnapshot: Sendable {
    struct TaskFigures: Sendable {
        var status: TaskStatus
        /// How often it was started.
        var runs: Int
        /// Nil when it has ended.
        var usage: TaskUsage?
    }

    var agent: AgentStatus
    var process: ProcessReading
    var host: HostCapacity
    /// Seconds that the host's CPUs were used; nil where it can't be told.
    var cpuTime: Double?
    /// Nil when it can't be read.
    var pool: PoolFigures?
    var tasks: [TaskFigures]
    var jobs: [JobStatus]
    var events: [EventLog.Kind: UInt64]
    var requests: RequestMetrics.Totals

    /// In Prometheus' text format.
    func text() -> [UInt8] {
        var text = MetricsText()
        writeAgent(&text)
        writeHost(&text)
        if let pool { pool.write(&text) }
        writeTasks(&text)
        writeJobs(&text)
        return text.bytes
    }

    private func writeAgent(_ text: inout MetricsText) {
        text.begin("dish_agent_info", .gauge, "The agent's version and its pool; always 1.")
        text.sample(MetricsText.labels(["version": agent.version, "pool": agent.pool]), 1)
        text.begin("process_cpu_seconds_total", .counter, "CPU time that the agent has used.")
        text.sample("", process.cpuTime)
        text.begin("process_resident_memory_bytes", .gauge, "Memory of the agent.")
        text.sample("", process.residentMemory)
        text.begin("process_start_time_seconds", .gauge, "When the agent was started, since 1970.")
        text.sample("", process.started)
        text.begin("process_open_fds", .gauge, "File descriptors that the agent has open.")
        text.sample("", process.openFiles)
        text.begin("process_max_fds", .gauge, "File descriptors that the agent may have open.")
        text.sample("", process.mostFiles)
        text.begin("dish_events_total", .counter, "Events since the agent was started, by what happened.")
        for (kind, count) in events.sorted(by: { ($0.key.kind.rawValue, $0.key.what) < ($1.key.kind.rawValue, $1.key.what) }) {
            text.sample(MetricsText.labels(["kind": kind.kind.rawValue, "what": kind.what]), count)
        }
        text.begin("dish_api_requests_total", .counter, "Requests that the agent has answered.")
        let answers = requests.answers.sorted {
            ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status)
        }
        for (answer, count) in answers {
            let labels: KeyValuePairs = ["route": answer.route, "method": answer.method, "status": "\(answer.status)"]
            text.sample(MetricsText.labels(labels), count)
        }
        text.begin("dish_api_requests_under_way", .gauge, "Requests that are being answered, those that wait included.")
        text.sample("", requests.underWay)
        text.begin("dish_api_request_duration_seconds", .histogram, "Time until a request's answer began.")
        for (route, durations) in requests.durations.sorted(by: { $0.key < $1.key }) {
            text.histogram(
                MetricsText.labels(["route": route]), durations.counts, bounds: RequestMetrics.bounds, sum: durations.sum)
        }
    }

    private func writeHost(_ text: inout MetricsText) {
        func cores(_ thousandths: UInt64) -> Double { Double(thousandths) / 1000 }
        text.begin("dish_host_cpu_cores", .gauge, "CPUs of the host.")
        text.sample("", cores(host.cpu.total))
        text.begin("dish_host_cpu_system_cores", .gauge, "CPUs set aside for the system and the agent.")
        text.sample("", cores(host.cpu.system))
        text.begin("dish_host_cpu_reserved_cores", .gauge, "CPUs set aside for tasks.")
        text.sample("", cores(host.cpu.reserved))
        text.begin("dish_host_cpu_committed_cores", .gauge, "CPUs that tasks may use at most, as far as that is limited.")
        text.sample("", cores(host.cpu.committed))
        text.begin("dish_host_cpu_seconds_total", .counter, "CPU time that the whole host has used.")
        text.sample("", cpuTime)
        text.begin("dish_host_memory_bytes", .gauge, "Memory of the host.")
        text.sample("", host.memory.total)
        text.begin("dish_host_memory_system_bytes", .gauge, "Memory set aside for the system and the agent.")
        text.sample("", host.memory.system)
        text.begin("dish_host_memory_reserved_bytes", .gauge, "Memory set aside for tasks.")
        text.sample("", host.memory.reserved)
        text.begin("dish_host_memory_committed_bytes", .gauge, "Memory that tasks may use at most, as far as that is limited.")
        text.sample("", host.memory.committed)
        text.begin("dish_host_memory_used_bytes", .gauge, "Memory that is not available any more.")
        text.sample("", host.memory.used)
        text.begin("dish_host_unenforceable_limits", .gauge, "Reasons why a kind of limit can't be enforced on this host.")
        text.sample("", host.unenforceable.count)
        text.begin(
            "dish_host_pressure_stalled_seconds_total", .counter, "Time in which work on the host waited for a resource (PSI).")
        Self.write(&text, "", host.pressure)
    }

    private func writeJobs(_ text: inout MetricsText) {
        let jobs = jobs.map { ($0, MetricsText.labels(["job": $0.name])) }
        func each(_ name: String, _ help: String, _ value: (JobStatus) -> Int) {
            text.begin(name, .gauge, help)
            for (job, labels) in jobs { text.sample(labels, value(job)) }
        }
        each("dish_job_replicas_wanted", "Replicas that a job shall have.") { $0.wanted }
        each("dish_job_replicas_ready", "Replicas that are ready, of any version.") { $0.ready }
        each("dish_job_replicas_updated", "Replicas of the target version that are ready.") { $0.updated }
        each("dish_job_version", "A job's target version.") { $0.version }
        text.begin("dish_job_state", .gauge, "1 for the state that a job is in.")
        for (job, labels) in jobs { text.sample("\(labels),state=\"\(job.state.rawValue)\"", 1) }
    }

    /// - Parameter labels: nothing, or labels and a comma.
    static func write(_ text: inout MetricsText, _ labels: String, _ pressure: ResourcePressure) {
        for (name, resource) in [("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io)] {
            for (kind, stall) in [("some", resource?.some), ("full", resource?.full)] {
                text.sample("\(labels)resource=\"\(name)\",kind=\"\(kind)\"", stall.map { Self.seconds($0.total) })
            }
        }
    }

    static func seconds(_ microseconds: UInt64) -> Double { Double(microseconds) / 1e6 }
}
