/// A question that the agent asks a running task again and again.
public struct HealthCheck: Settings {
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

    public init() { self.init(.command([])) }

    public init(_ probe: Probe, _ purpose: Purpose = .readiness) {
        self.probe = probe
        self.purpose = purpose
    }
}

extension HealthCheck {
    public static let name = "HealthCheck"
    public static let about = "A question that a running task is asked again and again."
    public static let oneOf = ["command", "http", "tcp", "unit"]
    public static let fields: [Field<HealthCheck>] = [
        .word(
            "purpose", \.purpose, default: "`readiness`",
            "`startup`: no other check runs until it has succeeded once. `liveness`: when it fails, the task is restarted by its policy. `readiness`: while it fails, a replica gets no connections."
        ),
        .texts(
            "command", \.command, .any, 0...131_071, count: 1...1000, default: "",
            "A command inside, as root, that must exit with 0."),
        .optional("http", \.http, "A request that must be answered with a status from 200 to 399."),
        .count("tcp", \.tcp, 1...65535, default: "", "A port that must take a connection."),
        .text("unit", \.unit, .unitName, 1...199, default: "", "A unit of the systemd inside that must be active."),
        .seconds("interval", \.interval, 0.1...86400, default: "`10s`", "The wait between the end of one check and the next."),
        .seconds("timeout", \.timeout, 0.001...3600, default: "`5s`", "How long an answer may take."),
        .count("failures", \.failures, 1...1_000_000, default: "`3`", "How many failures in a row count as one."),
        .count("successes", \.successes, 1...1_000_000, default: "`1`", "How many successes in a row count as one."),
        .seconds(
            "startPeriod", \.startPeriod, 0...86400, default: "none", "A time after the start in which failures don't count."),
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

/// What is asked for.
public struct HTTPProbe: Settings {
    public var port: UInt16 = 0
    public var path = "/"

    public init() {}

    public init(port: UInt16, path: String) { (self.port, self.path) = (port, path) }

    public static let name = "HTTPProbe"
    public static let about = "What is asked for."
    public static let fields: [Field<HTTPProbe>] = [
        .count("port", \.port, 1...65535, default: "", "A port of the task.").required(),
        .text("path", \.path, .requestPath, 1...4096, default: "`/`", "What is asked for, like `/healthz`."),
    ]
}
