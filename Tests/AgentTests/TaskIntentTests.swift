import Fixtures
import AgentAPI
import FoundationEssentials
import Layers
import Networks
import Spec
import Testing

@testable import Agent

@Suite struct TaskIntentTests {
    @Test func anIntentIsReadAsItWasWritten() throws {
        var request = TaskRequest(image: "//web:app")
        request.name = "web"
        request.command = ["/bin/sh", "-c", "echo \"ä\"\n"]
        request.environment = ["A": "b=c", "ü": ""]
        request.limits = .init(cpu: 500, memory: Limits.most, disk: 1, pids: nil)
        request.publish = ["8080:80", "127.0.0.1:53:53/udp"]
        request.network = .private
        (request.bestEffort, request.userNamespace, request.terminal) = (true, false, true)
        (request.interactive, request.attach, request.removeWhenDone) = (true, true, true)
        request.allowedMounts = ["/srv"]
        (request.user, request.directory, request.pool) = ("nobody", "/tmp", "/pool")
        let intent = self.intent(request)
        let read = try JSONDecoder().decode(TaskIntent.self, from: StateFile.encode(intent))
        #expect(read == intent)
        #expect(read.ports.map(\.description) == ["8080:80", "127.0.0.1:53:53/udp"])
        #expect(read.networkAddress == IPv4Address("10.1.0.2"))
        #expect(!read.boots)
    }

    /// What an older agent wrote lacks what came later; the task is not given up for that.
    @Test func aRequestMayLeaveOutWhatHasADefault() throws {
        let request = try JSONDecoder().decode(TaskRequest.self, from: Data(#"{"image": "//web:app"}"#.utf8))
        #expect(request == TaskRequest(image: "//web:app"))
        #expect(request.network == .private && request.userNamespace)
        #expect(intent(request).boots)
    }

    @Test(arguments: [
        "{}", #"{"image": 1}"#, #"{"image": "a", "network": "lan"}"#, #"{"image": "a", "limits": {"pids": -1}}"#,
        #"{"image": "a", "environment": ["A=b"]}"#, #"{"image": "a", "command": "sh"}"#,
    ])
    func aRequestThatIsWrongIsRefused(_ text: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(TaskRequest.self, from: Data(text.utf8)) }
    }

    private func intent(_ request: TaskRequest) -> TaskIntent {
        TaskIntent(
            id: "0123456789ab", name: "web", request: request, layer: LayerID(String(repeating: "0", count: 64))!, pool: "/pool",
            created: 1_700_000_000, quotaGroup: 1 << 39, userBase: 65536, machineID: "m", address: "10.1.0.2",
            notEnforced: ["--cpu"])
    }
}
