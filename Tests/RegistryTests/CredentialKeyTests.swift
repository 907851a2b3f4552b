import Fixtures
import Linux
import Testing

@testable import Registry

/// `auths` of `config.json`, under every key that programs write.
@Suite struct CredentialKeyTests {
    /// Who one is for a reference.
    private func user(_ reference: String, _ entries: [(key: String, user: String)]) async throws -> String? {
        let folder = try Scratch.make("keys")
        let auths = entries.map { #""\#($0.key)": {"username": "\#($0.user)", "password": "p"}"# }.joined(separator: ", ")
        try Files.replace("\(folder)/config.json", with: #"{"auths": {\#(auths)}}"#.utf8, durable: false)
        return try await CredentialStore(path: "\(folder)/config.json").credentials(for: Reference(reference))?.user
    }

    @Test(arguments: [
        "reg.example", "https://reg.example", "http://reg.example", "https://reg.example/", "https://reg.example/v1/",
        "https://reg.example/v2/", "https://reg.example/v1", "reg.example/v1/", "reg.example/v2", "reg.example/", "REG.example",
        "https://reg.example:443/v2/", "reg.example:443", "reg.example/team", "reg.example/team/app", "https://reg.example/team",
        "https://reg.example/v2/team",
    ]) func everyFormOfAKeyIsFound(_ key: String) async throws {
        #expect(try await user("reg.example/team/app:1", [(key, "me")]) == "me")
    }

    @Test(arguments: [
        "other.example", "reg.example:5000", "reg.example/tea", "reg.example/team/app/x", "reg.example/app", "eg.example",
        "https://reg.example.evil", "https://other.example/reg.example", "", "https://", "/reg.example",
    ]) func noOtherKeyIsTaken(_ key: String) async throws {
        #expect(try await user("reg.example/team/app:1", [(key, "me")]) == nil)
    }

    @Test func theKeyThatSaysMostWins() async throws {
        let entries = [
            ("https://reg.example:5000/v2/", "url"), ("reg.example:5000", "host"), ("reg.example:5000/team", "team"),
            ("reg.example:5000/team/app", "app"), ("reg.example", "other"),
        ]
        #expect(try await user("reg.example:5000/team/app", entries) == "app")
        #expect(try await user("reg.example:5000/team/more", entries) == "team")
        #expect(try await user("reg.example:5000/teams", entries) == "host")
        #expect(try await user("reg.example:5000/x", [entries[0]]) == "url")
        #expect(try await user("reg.example/x", entries) == "other")
    }

    @Test func anEntryWithoutAPasswordIsPassedOver() async throws {
        let folder = try Scratch.make("keys")
        func credentials(_ text: String) async throws -> Credentials? {
            try Files.replace("\(folder)/config.json", with: text.utf8, durable: false)
            return try await CredentialStore(path: "\(folder)/config.json").credentials(for: Reference("reg.example/app"))
        }
        // me:se:cret
        let found = try await credentials(
            #"{"auths": {"reg.example": {"auth": ""}, "https://reg.example/v1/": {"auth": "bWU6c2U6Y3JldA==", "email": "x"}}}"#)
        #expect(found == Credentials(user: "me", password: "se:cret"))
        #expect(try await credentials(#"{"auths": null}"#) == nil)
        #expect(try await credentials(#"{"auths": {"reg.example": {}}, "psFormat": "x"}"#) == nil)
        let error = await #expect(throws: RegistryError.self) {
            _ = try await credentials(#"{"auths": {"reg.example": {"auth": "bWU="}}}"#)
        }
        #expect(error?.description.contains("USER:PASSWORD") == true)
    }
}
