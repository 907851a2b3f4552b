public import AgentAPI
import FoundationEssentials
import Linux

/// A scheduler elsewhere, which takes heartbeats as JSON over HTTP. curl(1) speaks it, as with registries.
public struct RemoteScheduler: Scheduler {
    /// Paths of PEM files.
    public struct Trust: Sendable {
        /// Certificates to trust instead of the system's.
        public var authorities: String?
        /// The host's own certificate and its key.
        public var certificate: String?
        public var key: String?

        public init() {}
    }

    public let name: String
    public let isBuiltIn = false
    private let trust: Trust

    /// - Parameter url: `http://` or `https://`; nil for anything else.
    public init?(_ url: String, _ trust: Trust = Trust()) {
        let isPrintable = url.utf8.allSatisfy { $0 > 32 && $0 < 127 }
        guard url.hasPrefix("https://") || url.hasPrefix("http://"), isPrintable else { return nil }
        name = url
        self.trust = trust
    }

    public func send(_ heartbeat: HostHeartbeat) async throws -> HeartbeatAnswer {
        guard let curl = Executable.find("curl") else {
            throw AgentError(.failed, "curl is not installed; install it: apt-get install curl")
        }
        // `disable` comes first: no .curlrc of anybody's.
        let arguments = Arguments().flag("disable", "silent", "show-error", "fail", "globoff")
            .pair("proto", "=http,https").pair("max-time", 10).pair("max-filesize", 8 << 20).pair("noproxy", "*")
            .pairs("header", ["Content-Type: application/json", "Expect:"]).pair("data-binary", "@-")
            .pair("cacert", trust.authorities).pair("cert", trust.certificate).pair("key", trust.key).pair("url", name)
        var command = Command(curl, arguments)
        command.input = try Array(JSONEncoder().encode(heartbeat))
        let result = try await command.run()
        guard result.status.isSuccess else {
            throw AgentError(.failed, result.errorText.split(separator: "\n").first.map(String.init) ?? "curl failed")
        }
        do {
            return try JSONDecoder().decode(HeartbeatAnswer.self, from: Data(result.text.utf8))
        } catch let error as DecodingError {
            throw AgentError(.failed, "its answer is no answer to a heartbeat: \(error.sentence)")
        }
    }
}
