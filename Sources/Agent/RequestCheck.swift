import AgentAPI

/// Whether a request makes sense, whatever the host, its images and its other tasks. What is wrong is named by its field's path.
struct RequestCheck {
    let request: TaskRequest

    init(_ request: TaskRequest) { self.request = request }

    func run() throws(AgentError) {
        try checkProgram()
        try checkRestart()
        try checkHealth()
    }

    private func checkProgram() throws(AgentError) {
        if let command = request.command {
            guard let first = command.first, !first.isEmpty else {
                throw AgentError(.invalid, "command: is empty; name a program, or leave the field out", field: "command")
            }
        }
        for name in request.environment.keys where name.isEmpty || name.contains("=") || name.contains("\0") {
            throw AgentError(.invalid, "environment: '\(name)' can't be a variable's name", field: "environment")
        }
        if let directory = request.directory, !directory.hasPrefix("/") {
            throw AgentError(.invalid, "directory: '\(directory)' must be an absolute path", field: "directory")
        }
        for (index, path) in request.allowedMounts.enumerated() where !path.hasPrefix("/") {
            throw AgentError(
                .invalid, "allowedMounts[\(index)]: '\(path)' must be an absolute path", field: "allowedMounts[\(index)]")
        }
        if let signal = request.stopSignal, ImageDefaults.signal(signal) == nil {
            throw AgentError(.invalid, "stopSignal: '\(signal)' is no signal, like SIGTERM", field: "stopSignal")
        }
    }

    private func checkRestart() throws(AgentError) {
        let policy = request.restart
        if request.removeWhenDone, policy.mode != .no {
            throw AgentError(
                .invalid, "--rm and --restart \(policy.mode.rawValue) exclude each other: what is removed can't be started again",
                field: "restart.mode")
        }
        if let attempts = policy.attempts, attempts < 1 {
            throw AgentError(
                .invalid, "restart.attempts must be at least 1; leave it out for no limit", field: "restart.attempts")
        }
        for (name, seconds) in [
            ("window", policy.window), ("backoff", policy.backoff), ("longestBackoff", policy.longestBackoff),
            ("resetAfter", policy.resetAfter),
        ] where !(seconds >= 0 && seconds <= 1e9) {
            throw AgentError(
                .invalid, "restart.\(name) must be a number of seconds that isn't negative", field: "restart.\(name)")
        }
    }

    private func checkHealth() throws(AgentError) {
        for (index, check) in request.health.enumerated() {
            func refuse(_ why: String) -> AgentError {
                AgentError(.invalid, "health[\(index)]: \(why)", field: "health[\(index)]")
            }
            switch check.probe {
            case .command(let command):
                if command.first?.isEmpty != false { throw refuse("the command is empty") }
            case .http(let port, let path):
                guard port > 0, path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
                    throw refuse("an HTTP check needs a port and a path like /healthz")
                }
            case .tcp(let port): if port == 0 { throw refuse("there is no port 0") }
            case .unit(let name):
                guard request.command == nil else { throw refuse("the task runs a command, and has no units") }
                guard !name.isEmpty, name.utf8.count < 200, !name.contains("/"), name.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
                else {
                    throw refuse("'\(name)' is no unit's name")
                }
            }
            guard check.interval >= 0.1, check.interval <= 86400, check.timeout > 0, check.timeout <= 3600,
                check.startPeriod >= 0, check.startPeriod <= 86400, check.failures >= 1, check.successes >= 1
            else {
                throw refuse("interval is 0.1 to 86400 s, timeout up to 3600 s, failures and successes are at least 1")
            }
        }
    }
}
