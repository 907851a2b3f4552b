/// A question that the agent asks a running task again and again.
public struct HealthCheck: Sendable, Codable, Equatable {
    /// What is asked.
    public enum Probe: Sendable, Equatable {
        /// A command inside the task, as root, that must exit with 0.
        case command([String])
        /// A GET request to a port of the task that must be answered with a status from 200 to 399.
        case http(port: UInt16, path: String)
        /// A port of the task that must take a connection.
        case tcp(port: UInt16)
        /// A unit of the systemd inside that must be active.
        case unit(String)
    }

    /// What hangs on the answer.
    public enum Purpose: String, Sendable, Codable, CaseIterable {
        /// Until it has succeeded once no other check runs. When it fails the task is restarted by its policy.
        case startup
        /// When it fails the task is restarted by its policy.
        case liveness
        /// When it fails the task is told to be not ready, and runs on.
        case readiness
    }

    public var probe: Probe
    public var purpose: Purpose
    /// Seconds between the end of one question and the next.
    public var interval: Double = 10
    /// Seconds until no answer is a failure.
    public var timeout: Double = 5
    /// How many failures in a row count as one.
    public var failures: Int = 3
    /// How many successes in a row count as one.
    public var successes: Int = 1
    /// Seconds from the start in which failures don't count.
    public var startPeriod: Double = 0

    public init(_ probe: Probe, _ purpose: Purpose = .readiness) {
        self.probe = probe
        self.purpose = purpose
    }
}

extension HealthCheck {
    private enum CodingKeys: String, CodingKey {
        case command, http, tcp, unit, purpose, interval, timeout, failures, successes, startPeriod
    }

    private struct HTTP: Codable {
        var port: UInt16
        var path: String?
    }

    /// `{"command": […]}`, `{"http": {"port": 80, "path": "/"}}`, `{"tcp": 5432}` or `{"unit": "nginx.service"}`, and the
    /// settings beside it; what is left out has its default.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        var probes: [Probe] = []
        if let command = try values.decodeIfPresent([String].self, forKey: .command) { probes.append(.command(command)) }
        if let http = try values.decodeIfPresent(HTTP.self, forKey: .http) {
            probes.append(.http(port: http.port, path: http.path ?? "/"))
        }
        if let port = try values.decodeIfPresent(UInt16.self, forKey: .tcp) { probes.append(.tcp(port: port)) }
        if let unit = try values.decodeIfPresent(String.self, forKey: .unit) { probes.append(.unit(unit)) }
        guard let probe = probes.first, probes.count == 1 else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "a health check has one of command, http, tcp and unit"))
        }
        self.init(probe, try values.decodeIfPresent(Purpose.self, forKey: .purpose) ?? .readiness)
        interval = try values.decodeIfPresent(Double.self, forKey: .interval) ?? interval
        timeout = try values.decodeIfPresent(Double.self, forKey: .timeout) ?? timeout
        failures = try values.decodeIfPresent(Int.self, forKey: .failures) ?? failures
        successes = try values.decodeIfPresent(Int.self, forKey: .successes) ?? successes
        startPeriod = try values.decodeIfPresent(Double.self, forKey: .startPeriod) ?? startPeriod
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        switch probe {
        case .command(let command): try values.encode(command, forKey: .command)
        case .http(let port, let path): try values.encode(HTTP(port: port, path: path), forKey: .http)
        case .tcp(let port): try values.encode(port, forKey: .tcp)
        case .unit(let name): try values.encode(name, forKey: .unit)
        }
        try values.encode(purpose, forKey: .purpose)
        try values.encode(interval, forKey: .interval)
        try values.encode(timeout, forKey: .timeout)
        try values.encode(failures, forKey: .failures)
        try values.encode(successes, forKey: .successes)
        try values.encode(startPeriod, forKey: .startPeriod)
    }
}

/// What a task's health checks have found since it was started.
public struct TaskHealth: Sendable, Codable, Equatable {
    /// Whether its startup checks have succeeded; true without any.
    public var started: Bool
    /// False once a liveness check has failed.
    public var live: Bool
    /// Whether its readiness checks succeed; without any, whether it has started.
    public var ready: Bool
    /// What the last check that failed said.
    public var reason: String?

    public init(started: Bool, live: Bool, ready: Bool, reason: String? = nil) {
        self.started = started
        self.live = live
        self.ready = ready
        self.reason = reason
    }
}
