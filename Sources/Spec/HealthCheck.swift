/// A check that the agent repeats while a task runs.
public struct HealthCheck: Settings {
    /// The thing that is checked.
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

    /// The consequence of a failure.
    public enum Purpose: String, Sendable, Codable, CaseIterable {
        /// No other check runs until it has succeeded once. The task is restarted by its policy when it fails.
        case startup
        /// When it fails the task is restarted by its policy.
        case liveness
        /// The task is reported as not ready while it fails.
        case readiness
    }

    public var probe: Probe
    public var purpose: Purpose
    /// Seconds, as `timeout` and `startPeriod`.
    public var interval: Double = 10
    public var timeout: Double = 5
    public var failures: Int = 3
    public var successes: Int = 1
    public var startPeriod: Double = 0

    public init() { self.init(.command([])) }

    public init(_ probe: Probe, _ purpose: Purpose = .readiness) {
        self.probe = probe
        self.purpose = purpose
    }
}

extension HealthCheck {
    public static let name = "HealthCheck"
    public static let about = "A check that is repeated while the task runs."
    public static let oneOf = ["command", "http", "tcp", "unit"]
    public static let fields: [Field<HealthCheck>] = [
        .word(
            "purpose", \.purpose, default: "`readiness`",
            "Consequence of a failure. `startup`: no other check runs until it has succeeded once. `liveness`: the task is restarted by its policy. `readiness`: a replica gets no connections."
        ),
        .texts(
            "command", \.command, .any, 0...131_071, count: 1...1000, default: "",
            "Command inside, run as root, that must exit with 0."),
        .optional("http", \.http, "HTTP request that must be answered with a status from 200 to 399."),
        .count("tcp", \.tcp, 1...65535, default: "", "Port that must accept a connection."),
        .text("unit", \.unit, .unitName, 1...199, default: "", "Unit of the systemd inside that must be active."),
        .seconds("interval", \.interval, 0.1...86400, default: "`10s`", "Time between the end of one check and the next."),
        .seconds("timeout", \.timeout, 0.001...3600, default: "`5s`", "Longest time that a check may take."),
        .count("failures", \.failures, 1...1_000_000, default: "`3`", "Number of failures in a row that count as a failure."),
        .count("successes", \.successes, 1...1_000_000, default: "`1`", "Number of successes in a row that count as a success."),
        .seconds(
            "startPeriod", \.startPeriod, 0...86400, default: "none", "Time after the start in which failures are ignored."),
    ]

    // The probe as the fields of which there is one.
    private var command: [String]? {
        get { if case .command(let command) = probe { command } else { nil } }
        set { if let newValue { probe = .command(newValue) } }
    }
    private var http: HTTPProbe? {
        get { if case .http(let port, let path) = probe { HTTPProbe(port: port, path: path) } else { nil } }
        set { if let newValue { probe = .http(port: newValue.port, path: newValue.path) } }
    }
    private var tcp: UInt16? {
        get { if case .tcp(let port) = probe { port } else { nil } }
        set { if let newValue { probe = .tcp(port: newValue) } }
    }
    private var unit: String? {
        get { if case .unit(let name) = probe { name } else { nil } }
        set { if let newValue { probe = .unit(newValue) } }
    }
}

/// The request of an HTTP check.
public struct HTTPProbe: Settings {
    public var port: UInt16 = 0
    public var path = "/"

    public init() {}

    public init(port: UInt16, path: String) { (self.port, self.path) = (port, path) }

    public static let name = "HTTPProbe"
    public static let about = "The request of an HTTP check."
    public static let fields: [Field<HTTPProbe>] = [
        .count("port", \.port, 1...65535, default: "", "Port of the task.").required(),
        .text("path", \.path, .requestPath, 1...4096, default: "`/`", "Path of the request, like `/healthz`."),
    ]
}
