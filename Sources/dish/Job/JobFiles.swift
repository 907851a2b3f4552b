import AgentAPI
import ArgumentParser
import Linux
import Manifest
import Spec

/// Files of jobs, as arguments.
struct JobFileOptions: ParsableArguments {
    @Argument(help: "Files of jobs; '-' is standard input.", completion: .file(extensions: ["yaml", "yml"]))
    var files: [String]

    /// All jobs of the files, each after those it depends on.
    func read() throws -> [JobDefinition] {
        var jobs: [JobDefinition] = []
        for file in files {
            let text = file == "-" ? try Files.readText("/dev/stdin") : try Files.readText(file)
            jobs += try JobFile(text, file: file).jobs
        }
        return try JobFile.ordered(jobs)
    }
}

extension JobSpec {
    /// What is written, as the agent takes it.
    init(_ job: JobDefinition) {
        var task = TaskRequest(image: job.image)
        task.command = job.command
        task.environment = job.environment
        task.user = job.user
        task.directory = job.directory
        task.network = TaskRequest.Network(rawValue: job.network) ?? .private
        task.publish = job.publish.map(\.value)
        task.volumes = job.volumes
        task.allowedMounts = job.allowedMounts
        task.secrets = job.secrets
        task.limits = job.limits
        task.class = TaskClass(rawValue: job.class) ?? .burstable
        task.bestEffort = job.bestEffort
        task.userNamespace = job.userNamespace
        task.security = TaskSecurity(rawValue: job.security) ?? .default
        task.capabilities = TaskCapabilities(add: job.capabilities.add, drop: job.capabilities.drop)
        task.restart = RestartPolicy(job.restart)
        task.health = job.health.map(HealthCheck.init)
        task.stopSignal = job.stop.signal
        self.init(name: job.name.value, task: task)
        replicas = job.replicas
        stopTimeout = UInt32(job.stop.timeout)
        drain = job.stop.drain
        update.batch = job.update.batch
        update.order = Update.Order(rawValue: job.update.order) ?? .startFirst
        update.deadline = job.update.deadline
        update.rollback = job.update.rollback
        update.pause = job.update.pause
        update.minReady = job.update.minReady
        dependsOn = job.dependsOn.map {
            Dependency(job: $0.job.value, condition: Dependency.Condition(rawValue: $0.condition) ?? .ready)
        }
        stopWithoutScheduler = job.stopWithoutScheduler
        pull = ImagePullPolicy(rawValue: job.pull) ?? .missing
    }
}

extension RestartPolicy {
    fileprivate init(_ restart: JobRestart) {
        self.init(Mode(rawValue: restart.mode) ?? .no, attempts: restart.attempts)
        window = restart.window.map(Double.init) ?? window
        backoff = restart.delay.map(Double.init) ?? backoff
        longestBackoff = restart.longestDelay.map(Double.init) ?? longestBackoff
        resetAfter = restart.resetAfter.map(Double.init) ?? resetAfter
    }
}

extension HealthCheck {
    fileprivate init(_ check: JobHealthCheck) {
        let probe: Probe =
            switch check.probe {
            case .command(let command): .command(command)
            case .http(let port, let path): .http(port: port, path: path)
            case .tcp(let port): .tcp(port: port)
            case .unit(let name): .unit(name)
            }
        self.init(probe, Purpose(rawValue: check.purpose) ?? .readiness)
        interval = check.interval.map(Double.init) ?? interval
        timeout = check.timeout.map(Double.init) ?? timeout
        failures = check.failures ?? failures
        successes = check.successes ?? successes
        startPeriod = check.startPeriod.map(Double.init) ?? startPeriod
    }
}

/// What the agent says is wrong with a job, with the place where it is written.
func placed<Result>(_ job: JobDefinition, _ body: () async throws -> Result) async throws -> Result {
    do {
        return try await body()
    } catch let error as AgentError where error.code != .failed {
        throw AgentError(error.code, "\(job.name.place): \(error.message)")
    }
}
