import Spec

/// An entry of the key `health` of a job.
public struct JobHealthCheck: Sendable, Equatable {
    public enum Probe: Sendable, Equatable {
        case command([String])
        case http(port: UInt16, path: String)
        case tcp(port: UInt16)
        case unit(String)
    }

    public var probe: Probe
    /// `startup`, `liveness` or `readiness`.
    public var purpose: String
    /// Seconds, as `timeout` and `startPeriod`.
    public var interval: Int?
    public var timeout: Int?
    public var failures: Int?
    public var successes: Int?
    public var startPeriod: Int?

    static let schema = MappingSchema(
        "a health check", title: "health", oneOf: [["command", "http", "tcp", "unit"]],
        [
            KeySchema(
                "purpose", .text(.word(["startup", "liveness", "readiness"])), default: "`readiness`",
                "`startup`: no other check runs until it has succeeded once. `liveness`: when it fails, the replica is restarted. `readiness`: while it fails, the replica gets no connections."
            ),
            KeySchema("command", .list(of: .text(.any)), "A command inside, as root, that must exit with 0."),
            KeySchema("http", .mapping(http), "A request that must be answered with a status from 200 to 399."),
            KeySchema("tcp", .integer(1...65535), "A port that must take a connection."),
            KeySchema("unit", .text(.unit), "A unit of the systemd inside that must be active."),
            KeySchema("interval", .text(.duration), default: "`10s`", "The wait between the end of one check and the next."),
            KeySchema("timeout", .text(.duration), default: "`5s`", "How long an answer may take."),
            KeySchema("failures", .integer(1...1000), default: "`3`", "How many failures in a row count as one."),
            KeySchema("successes", .integer(1...1000), default: "`1`", "How many successes in a row count as one."),
            KeySchema("start_period", .text(.duration), default: "none", "A time after the start in which failures don't count."),
        ])

    private static let http = MappingSchema(
        "'http'", title: "health: http",
        [
            KeySchema("port", .integer(1...65535), required: true, "A port of the replica."),
            KeySchema("path", .text(.requestPath), default: "`/`", "What is asked for."),
        ])

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        func port(_ mapping: CheckedMapping, _ key: String) -> UInt16 { mapping.number(key).map { UInt16($0) } ?? 0 }
        if let node = mapping["command"] {
            let command = mapping.texts("command").map(\.value)
            guard !command.isEmpty else { throw node.fail("'command' is empty; name a program") }
            probe = .command(command)
        } else if let http = try mapping.mapping("http") {
            probe = .http(port: port(http, "port"), path: http.text("path") ?? "/")
        } else if mapping["tcp"] != nil {
            probe = .tcp(port: port(mapping, "tcp"))
        } else {
            probe = .unit(mapping.text("unit") ?? "")
        }
        purpose = mapping.text("purpose") ?? "readiness"
        interval = mapping.seconds("interval")
        timeout = mapping.seconds("timeout")
        failures = mapping.number("failures").map(Int.init)
        successes = mapping.number("successes").map(Int.init)
        startPeriod = mapping.seconds("start_period")
    }
}
