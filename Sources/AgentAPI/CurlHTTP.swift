import Glibc
import Linux

/// Exchanges with an agent over TLS, each by a curl(1) of its own: the command line starts without a TLS library in it, which most of
/// its runs would never use.
struct CurlHTTP: AgentTransport {
    let agent: RemoteAgent

    var place: String { agent.address }

    func exchange(
        _ method: String, _ path: String, headers: [String], body: [UInt8]?, silence seconds: Int
    ) async throws -> AgentAnswer {
        let content = body == nil ? [] : ["Content-Type: application/json"]
        var command = Command(
            try spawn(path, silence: seconds) { arguments in
                arguments.pair("request", method).pairs("header", headers + content)
                    .pair("data-binary", body == nil ? nil : "@-")
            })
        if let body { command.input = body }
        let result = try await command.run()
        return AgentAnswer(status: try status(result.status, result.errorText), body: result.output)
    }

    func stream(
        _ path: String, silence seconds: Int, onBytes: @escaping @Sendable ([UInt8]) throws -> Bool
    ) async throws -> AgentAnswer? {
        // With `fail` it says nothing of an error but that there is one.
        let command = PipedCommand(try spawn(path, silence: seconds) { $0.flag("fail") })
        do {
            let (_, end) = try await command.read { pipe in
                var chunk = [UInt8](repeating: 0, count: 65536)
                let number = pipe.number
                while true {
                    let count = try retryingInterrupts("read from", "curl") { read(number, &chunk, chunk.count) }
                    if count == 0 { return }
                    if try !onBytes(Array(chunk[..<count])) { throw Enough() }
                }
            }
            switch end {
            case .code(0): return nil
            case .code(22): return try await exchange("GET", path, headers: [], body: nil, silence: seconds)
            default: throw AgentError(.failed, "the connection to the agent at \(place) broke off: curl ended with \(end)")
            }
        } catch is Enough {
            return nil
        }
    }

    /// The callback has had enough.
    private struct Enough: Error {}

    private func spawn(_ path: String, silence seconds: Int, _ request: (Arguments) -> Arguments) throws -> Spawn {
        guard let program = Executable.find("curl") else {
            throw AgentError(
                .failed, "cannot reach the agent at \(place): curl is not installed; install it: apt-get install curl")
        }
        // `disable` comes first: no .curlrc of anybody's.
        let arguments = Arguments().flag("disable", "silent", "show-error", "no-buffer", "globoff", "path-as-is")
            .pair("noproxy", "*").pair("proto", "=https").pair("connect-timeout", 15).pair("speed-limit", 1)
            .pair("speed-time", seconds).pair("cert", agent.certificate).pair("key", agent.key)
            .pair("cacert", agent.authorities).pair("write-out", "%{stderr}\n%{http_code}")
        return Spawn(program, request(arguments).words("https://\(agent.address)\(path)"))
    }

    /// - Parameter report: what curl said, and the answer's status in its last line.
    private func status(_ end: ExitStatus, _ report: String) throws -> Int {
        let lines = report.split(separator: "\n")
        guard end.isSuccess, let status = lines.last.flatMap({ Int($0) }), status > 0 else {
            let why = lines.first { $0.hasPrefix("curl: ") } ?? "curl ended with \(end)"
            throw AgentError(.failed, "cannot reach the agent at \(place): \(why)")
        }
        return status
    }
}
