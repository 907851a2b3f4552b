import Glibc
import Linux
import Testing

@testable import Registry

@Suite struct SignaturePolicyTests {
    private func policy(_ text: String) throws -> SignaturePolicy {
        let path = "/tmp/dish-policy-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try Files.replace(path, with: text.utf8, durable: false)
        defer { unlink(path) }
        return try SignaturePolicy(path)
    }

    @Test func theLongestPrefixOfWholeComponentsDecides() throws {
        let policy = try policy(
            #"""
            {"registries": [{"prefix": "registry.example", "reject": true}, {"prefix": "registry.example/team", "keys": ["k"]},
             {"prefix": "registry.example/team/open", "accept": true}]}
            """#)
        #expect(policy.rule(for: "registry.example/other")?.reject == true)
        #expect(policy.rule(for: "registry.example/team/app")?.keys == ["k"])
        #expect(policy.rule(for: "registry.example/teamster")?.reject == true)
        #expect(policy.rule(for: "registry.example/team/open")?.accept == true)
        #expect(policy.rule(for: "registry.example.org/app") == nil)
    }

    @Test(arguments: [
        "", "{", "[]", #"{"default": "maybe"}"#, #"{"registries": [{"prefix": "x"}]}"#,
        #"{"registries": [{"prefix": "x", "keys": []}]}"#,
        #"{"registries": [{"prefix": "x", "accept": true, "reject": true}]}"#,
    ])
    func aPolicyThatMeansNothingRefusesEverything(_ text: String) {
        #expect(throws: RegistryError.self) { try policy(text) }
    }

    @Test func withoutAPolicyEverythingIsAccepted() throws {
        #expect(try SignaturePolicy("/nonexistent").rule(for: "registry.example/app") == nil)
    }
}
