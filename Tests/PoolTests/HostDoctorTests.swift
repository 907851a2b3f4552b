import Fixtures
import FoundationEssentials
import Testing

@Suite struct HostDoctorTests {
    private struct Check: Decodable {
        let name: String
        let result: String
        let found: String
        let advice: String?
    }

    private func doctor(_ host: TestHost) async throws -> (code: Int, checks: [Check]) {
        let outcome = try await host.dish("host", "doctor", "--json")
        return (Int(outcome.code), try JSONDecoder().decode([Check].self, from: Data(outcome.output.utf8)))
    }

    @Test func whatTasksNeedIsFoundAndThePoolAndTheAgentAreNamed() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { _ in
            let (code, checks) = try await doctor(host)
            #expect(code == 0, "\(checks)")
            #expect(checks.filter { $0.result == "missing" }.isEmpty, "\(checks)")
            #expect(checks.first { $0.name == "pool \(pool)" }?.found.contains(" free") == true, "\(checks)")
            #expect(checks.first { $0.name == "agent" }?.found.contains(pool) == true, "\(checks)")
        }
    }

    @Test func whatIsMissingIsNamedWithItsPackageAndNoAgentIsAWarning() async throws {
        let host = try TestHost(environment: ["DISH_PATH": "/no/such/directory"])
        let (code, checks) = try await doctor(host)
        #expect(code == 1)
        let nspawn = try #require(checks.first { $0.name == "systemd-nspawn" })
        #expect(nspawn.result == "missing")
        #expect(nspawn.advice?.contains("apt-get install systemd-container") == true)
        #expect(checks.first { $0.name == "agent" }?.result == "warning")
        #expect(checks.first { $0.name == "pool" }?.advice?.contains("dish pool create") == true)
    }
}
