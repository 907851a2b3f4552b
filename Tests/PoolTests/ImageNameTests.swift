import Fixtures
import Testing

/// What removing does to images that have several names.
@Suite(.requiresRoot)
struct ImageNameTests {
    @Test func removingANameLeavesTheOthersAndTheImage() async throws {
        let host = try await SharedPool.shared.host()
        for name in ["one:1", "two:2"] { #expect(try await host.dish("image", "tag", "//os:base", name).code == 0) }
        let id = try #require(try await host.dish("image", "show", "one:1").output.firstMatch(of: /id: +(\S+)/)?.1)
        let byID = try await host.dish("image", "rm", String(id))
        #expect(byID.code == 1 && byID.errors.contains("is called //os:base, one:1, two:2"), "\(byID)")
        for (name, left) in [("one:1", "//os:base, two:2"), ("two:2", "//os:base")] {
            let removed = try await host.dish("image", "rm", name)
            #expect(removed.code == 0 && removed.output.contains("still called \(left)"), "\(removed)")
            #expect(try await host.dish("image", "show", name).code == 1)
        }
        let last = try await host.dish("image", "rm", "//os:base")
        #expect(last.code == 1 && last.errors.contains("is in use by layer"), "\(last)")
        #expect(try await host.dish("image", "show", "//os:base").code == 0)
    }
}
