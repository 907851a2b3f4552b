import AgentAPI
import ArgumentParser
import Spec

/// Health checks of a task, as options.
struct HealthOptions: ParsableArguments {
    @Option(help: "A command that must exit with 0 in the task, run by its /bin/sh.")
    var healthCmd: [String] = []
    @Option(help: "PORT/PATH that must answer GET with a status from 200 to 399.")
    var healthHttp: [String] = []
    @Option(help: "PORT that must take a connection.")
    var healthTcp: [UInt16] = []
    @Option(help: "A unit of the task's systemd that must be active.")
    var healthUnit: [String] = []
    @Option(
        help: "What hangs on the checks: readiness, liveness (a failure restarts the task by its policy), startup.",
        transform: Self.purpose)
    var healthFor: [HealthCheck.Purpose] = []
    @Option(help: "Seconds between checks (default: 10).")
    var healthInterval: Double?
    @Option(help: "Seconds until no answer is a failure (default: 5).")
    var healthTimeout: Double?
    @Option(help: "How many failures in a row count (default: 3).")
    var healthFailures: Int?
    @Option(help: "Seconds after the start in which failures don't count.")
    var healthStartPeriod: Double?

    func validate() throws {
        for text in healthHttp where Self.http(text) == nil {
            throw ValidationError("--health-http '\(text)': write PORT/PATH, like 80/healthz.")
        }
        for (name, value) in [("interval", healthInterval), ("timeout", healthTimeout)] {
            if let value, !(value >= 0.1 && value <= 86400) {
                throw ValidationError("--health-\(name) must be from 0.1 to 86400 seconds.")
            }
        }
        if let healthFailures, healthFailures < 1 { throw ValidationError("--health-failures must be at least 1.") }
        if let healthStartPeriod, !(healthStartPeriod >= 0) { throw ValidationError("--health-start-period must be 0 or more.") }
    }

    /// Every check for every purpose; without a purpose for readiness and, since a check that fails is to have a
    /// consequence where there is a policy, for liveness.
    var checks: [HealthCheck] {
        let probes =
            healthCmd.map { HealthCheck.Probe.command(["/bin/sh", "-c", $0]) } + healthHttp.compactMap(Self.http)
            + healthTcp.map { .tcp(port: $0) } + healthUnit.map { .unit($0) }
        let purposes = healthFor.isEmpty ? [.readiness, .liveness] : healthFor
        return probes.flatMap { probe in
            purposes.map { purpose in
                var check = HealthCheck(probe, purpose)
                check.interval = healthInterval ?? check.interval
                check.timeout = healthTimeout ?? check.timeout
                check.failures = healthFailures ?? check.failures
                check.startPeriod = healthStartPeriod ?? check.startPeriod
                return check
            }
        }
    }

    private static func purpose(_ text: String) throws -> HealthCheck.Purpose {
        guard let purpose = HealthCheck.Purpose(rawValue: text) else {
            throw ValidationError("--health-for '\(text)': choose readiness, liveness or startup.")
        }
        return purpose
    }

    private static func http(_ text: String) -> HealthCheck.Probe? {
        let slash = text.firstIndex(of: "/") ?? text.endIndex
        guard let port = UInt16(text[..<slash]), port > 0 else { return nil }
        return .http(port: port, path: slash == text.endIndex ? "/" : String(text[slash...]))
    }
}
