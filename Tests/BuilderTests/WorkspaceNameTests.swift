import Linux
import Manifest
import Testing

@testable import Builder

/// What images of a workspace are called in a pool.
@Suite struct WorkspaceNameTests {
    @Test func withoutANameOfItsOwnAWorkspacesImagesAreCalledByTheirLabels() throws {
        for content in ["", "# name: x\n", "something: else\n"] {
            try withWorkspace(["WORKSPACE": content]) { workspace in
                let own = try workspace.ownName
                #expect(own == nil)
                let name = try workspace.name(of: Label("//web:app")!)
                #expect(name == "//web:app")
            }
        }
    }

    @Test func aNameOfItsOwnStandsBeforeThem() throws {
        for content in ["name: shop", "# ours\n\n name:  'shop' \r\n"] {
            try withWorkspace(["WORKSPACE": content]) { workspace in
                let name = try workspace.name(of: Label("//web:app")!)
                #expect(name == "shop//web:app")
                let written =
                    [("shop//web:app", nil), ("//web:app", nil), (":app", "web"), ("other//web:app", nil)] as [(String, String?)]
                let labels = try written.map { try workspace.label($0.0, in: $0.1)?.description }
                #expect(labels == ["//web:app", "//web:app", "//web:app", nil])
            }
        }
    }

    @Test(arguments: ["a/b", "-a", "a b", "a.b", "", "ä", String(repeating: "a", count: 41)])
    func aNameThatIsNoneIsRefused(_ name: String) throws {
        try withWorkspace(["WORKSPACE": "name: \(name)\n"]) { workspace in
            _ = #expect(throws: BuildError.self) { try workspace.name(of: Label("//web:app")!) }
        }
    }
}
