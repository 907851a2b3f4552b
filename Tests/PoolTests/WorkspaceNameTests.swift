import Fixtures
import Layers
import Linux
import Testing

extension Streams {
    /// Two workspaces in one pool don't take labels from each other.
    struct WorkspaceNameTests {
        private func workspace(_ name: String, _ marker: String, _ text: String) throws -> String {
            let path = try Scratch.make(name)
            try Files.makeDirectories("\(path)/web")
            try Files.replace("\(path)/WORKSPACE", with: marker.utf8, durable: false)
            let images = "images: [{name: app, base: scratch, files: [{path: /x, text: \(text)}]}]\n"
            try Files.replace("\(path)/web/IMAGES.yaml", with: images.utf8, durable: false)
            return path
        }

        @Test func aLabelOfAnotherWorkspaceIsTakenWithConsentAlone() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let host = try TestHost(pool: pool.path, environment: ["DISH_TAKE_LABELS": ""])
                func build(_ folder: String, _ options: String...) async throws -> Outcome {
                    try await host.dish(arguments: ["image", "build", "//web:app"] + options, in: folder)
                }
                let (first, second) = (try workspace("first", "", "one"), try workspace("second", "", "two"))
                try #require(try await build(first).code == 0)
                let one = try pool.resolve("//web:app").id
                // The same content is no loss, wherever it is built.
                let same = try workspace("same", "", "one")
                #expect(try await build(same).code == 0)
                #expect(try await build(first).code == 0)

                let refused = try await build(second)
                #expect(
                    refused.code == 1 && refused.errors.contains("//web:app is the label of an image of the workspace at"),
                    "\(refused)")
                #expect(refused.errors.contains("--take-labels") && refused.errors.contains("name: shop"), "\(refused)")
                #expect(try pool.resolve("//web:app").id == one)

                // With a name of its own it has labels of its own.
                try Files.replace("\(second)/WORKSPACE", with: "name: shop\n".utf8, durable: false)
                try #require(try await build(second).code == 0)
                #expect(try pool.resolve("//web:app").id == one && pool.resolve("shop//web:app").id != one)
                #expect(try await host.dish("image", "history", "shop//web:app", in: second).code == 0)
                #expect(try await host.dish("image", "build", "shop//web:app", in: second).code == 0)
                #expect(try await host.dish("image", "build", "other//web:app", in: second).code == 2)

                try Files.replace("\(second)/WORKSPACE", with: "".utf8, durable: false)
                try #require(try await build(second, "--take-labels").code == 0)
                #expect(try pool.resolve("//web:app").id != one)
                #expect(try await build(first).code == 1)
                // A workspace that is gone loses nothing.
                try Files.removeTree(second)
                #expect(try await build(first).code == 0)
                #expect(try pool.resolve("//web:app").id == one)
            }
        }
    }
}
