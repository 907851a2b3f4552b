import AgentAPI
import Spec

/// What is told of tasks.
extension MetricsSnapshot {
    private static let states: [TaskStatus.State] = [
        .pending, .preparing, .starting, .running, .stopping, .exited, .failed, .restarting,
    ]

    func writeTasks(_ text: inout MetricsText) {
        text.begin("dish_tasks", .gauge, "Tasks by their state.")
        for state in Self.states {
            text.sample("state=\"\(state.rawValue)\"", tasks.count { $0.status.state == state })
        }
        text.begin("dish_task_info", .gauge, "What a task was started from; always 1.")
        for task in tasks {
            let (status, job) = (task.status, task.status.owner?.job ?? "")
            let labels: KeyValuePairs = [
                "task": status.name, "id": status.id, "image": status.image, "class": status.class?.rawValue ?? "", "job": job,
            ]
            text.sample(MetricsText.labels(labels), 1)
        }
        // A task's labels are in some forty lines: they are made once.
        let named = tasks.map { ($0, MetricsText.labels(["task": $0.status.name])) }
        text.begin("dish_task_up", .gauge, "1 for a task that runs, 0 for any other.")
        for (task, labels) in named { text.sample(labels, task.status.state == .running) }
        text.begin(
            "dish_task_ready", .gauge, "1 for a task whose health checks say that it is ready; none where it has no checks.")
        for (task, labels) in named { text.sample(labels, task.status.health?.ready) }
        text.begin("dish_task_created_timestamp_seconds", .gauge, "When a task was made, since 1970.")
        for (task, labels) in named { text.sample(labels, UInt64(max(task.status.created, 0))) }
        text.begin("dish_task_runs_total", .counter, "How often a task was started, for whatever reason.")
        for (task, labels) in named { text.sample(labels, task.runs) }
        text.begin("dish_task_restarts_total", .counter, "How often a task's policy has started it since it was last asked for.")
        for (task, labels) in named { text.sample(labels, task.status.restarts ?? 0) }
        writeUsage(&text, named.compactMap { task, labels in task.usage.map { ($0, labels) } })
    }

    private func writeUsage(_ text: inout MetricsText, _ tasks: [(TaskUsage, String)]) {
        writeCPU(&text, tasks)
        writeMemory(&text, tasks)
        text.begin("dish_task_io_bytes_total", .counter, "Bytes read from and written to the pool's devices.")
        for (task, labels) in tasks {
            text.sample("\(labels),direction=\"read\"", task.io?.readBytes)
            text.sample("\(labels),direction=\"write\"", task.io?.writtenBytes)
        }
        text.begin("dish_task_io_operations_total", .counter, "Operations on the pool's devices.")
        for (task, labels) in tasks {
            text.sample("\(labels),direction=\"read\"", task.io?.reads)
            text.sample("\(labels),direction=\"write\"", task.io?.writes)
        }
        text.begin("dish_task_processes", .gauge, "Processes and threads of a task.")
        for (task, labels) in tasks { text.sample(labels, task.pids?.current) }
        text.begin("dish_task_processes_limit", .gauge, "Processes and threads that a task may have.")
        for (task, labels) in tasks { text.sample(labels, task.limits.pids) }
        text.begin("dish_task_processes_refused_total", .counter, "Processes that a task couldn't start because of its limit.")
        for (task, labels) in tasks { text.sample(labels, task.pids?.refused) }
        text.begin(
            "dish_task_pressure_stalled_seconds_total", .counter, "Time in which work of a task waited for a resource (PSI).")
        for (task, labels) in tasks { Self.write(&text, "\(labels),", task.pressure) }
        text.begin("dish_task_disk_used_bytes", .gauge, "Bytes that a task is billed for in the pool.")
        for (task, labels) in tasks { text.sample(labels, task.disk?.used) }
        text.begin("dish_task_disk_limit_bytes", .gauge, "Bytes that a task may be billed for.")
        for (task, labels) in tasks { text.sample(labels, task.disk?.limit) }
    }

    private func writeCPU(_ text: inout MetricsText, _ tasks: [(TaskUsage, String)]) {
        text.begin("dish_task_cpu_seconds_total", .counter, "CPU time of a task's run.")
        for (task, labels) in tasks { text.sample(labels, task.cpu.map { Self.seconds($0.time) }) }
        text.begin("dish_task_cpu_limit_cores", .gauge, "CPUs that a task may use.")
        for (task, labels) in tasks { text.sample(labels, task.limits.cpu.map { Double($0) / 1000 }) }
        text.begin("dish_task_cpu_throttled_seconds_total", .counter, "Time in which a task waited for its limit of CPUs.")
        for (task, labels) in tasks { text.sample(labels, task.cpu?.throttledTime.map(Self.seconds)) }
        text.begin("dish_task_cpu_throttled_periods_total", .counter, "Periods of 0.1 s in which a task waited for its limit.")
        for (task, labels) in tasks { text.sample(labels, task.cpu?.throttledPeriods) }
    }

    private func writeMemory(_ text: inout MetricsText, _ tasks: [(TaskUsage, String)]) {
        text.begin("dish_task_memory_bytes", .gauge, "Memory of a task, caches included.")
        for (task, labels) in tasks { text.sample(labels, task.memory?.current) }
        text.begin("dish_task_memory_peak_bytes", .gauge, "The most memory that a task's run had.")
        for (task, labels) in tasks { text.sample(labels, task.memory?.peak) }
        text.begin("dish_task_memory_anonymous_bytes", .gauge, "Memory of a task's programs.")
        for (task, labels) in tasks { text.sample(labels, task.memory?.anonymous) }
        text.begin("dish_task_memory_file_bytes", .gauge, "Cached content of files.")
        for (task, labels) in tasks { text.sample(labels, task.memory?.file) }
        text.begin("dish_task_memory_kernel_bytes", .gauge, "The kernel's memory for a task.")
        for (task, labels) in tasks { text.sample(labels, task.memory?.kernel) }
        text.begin("dish_task_memory_swap_bytes", .gauge, "Swap that a task uses.")
        for (task, labels) in tasks { text.sample(labels, task.memory?.swap) }
        text.begin("dish_task_memory_limit_bytes", .gauge, "Memory that a task may have.")
        for (task, labels) in tasks { text.sample(labels, task.limits.memory) }
        text.begin(
            "dish_task_memory_events_total", .counter,
            "How often a task ran into memory.high and memory.max, and was killed for it.")
        for (task, labels) in tasks {
            text.sample("\(labels),event=\"high\"", task.memory?.highEvents)
            text.sample("\(labels),event=\"max\"", task.memory?.maxEvents)
            text.sample("\(labels),event=\"oom_kill\"", task.memory?.kills)
        }
    }
}
