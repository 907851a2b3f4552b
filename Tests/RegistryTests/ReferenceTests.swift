import Testing

@testable import Registry

@Suite struct ReferenceTests {
    @Test func partsAreFound() throws {
        let plain = try Reference("registry.example/app")
        #expect(plain.host == "registry.example" && plain.repository == "app" && plain.tag == "latest" && plain.digest == nil)
        let full = try Reference("docker://localhost:5000/team/sub/app:1.2-x_y")
        #expect(full.host == "localhost:5000" && full.repository == "team/sub/app" && full.tag == "1.2-x_y")
        #expect(full.description == "localhost:5000/team/sub/app:1.2-x_y" && full.isLoopback)
        let hex = String(repeating: "0f", count: 32)
        let pinned = try Reference("registry.example/app@sha256:\(hex)")
        #expect(pinned.tag == nil && pinned.manifestReference == "sha256:\(hex)")
        #expect(try Reference("registry.example/app:1@sha256:\(hex)").manifestReference == "sha256:\(hex)")
        #expect(try Reference("[::1]:5000/app").isLoopback && Reference("127.9.9.9/app").isLoopback)
        #expect(try !Reference("registry.example/app").isLoopback && !Reference("localhost.example/app").isLoopback)
    }

    @Test(arguments: [
        "", "app", "app:1", "library/app", "registry.example", "registry.example/", "registry.example/App",
        "registry.example//app",
        "registry.example/a/../b", "registry.example/app:", "registry.example/app:-1", "registry.example/app@sha256:12",
        "registry.example/app@md5:00", "registry.example/app\n", "registry.example/a b", "user@registry.example/app",
        "reg?x.example/app",
        "registry.example/-app", "registry.example/app:\(String(repeating: "t", count: 129))",
    ])
    func whatIsNoneIsRefused(_ text: String) {
        #expect(throws: RegistryError.self) { try Reference(text) }
    }
}
