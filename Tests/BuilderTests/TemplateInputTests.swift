import Glibc
import Linux
import Manifest
import Testing

@testable import Builder

/// What is said of sources before an image is built, and with digests that are remembered.
@Suite struct TemplateInputTests {
    private func images(_ variables: String) -> String {
        """
        images:
          - name: x
            base: scratch
            files: [{path: /a, template: a.tmpl, variables: {\(variables)}}, {path: /b, source: a.tmpl}]

        """
    }

    /// What is wrong with the inputs; nil when nothing is.
    private func fault(_ workspace: Workspace) throws -> String? {
        let target = try #require(try workspace.targets(workspace.allLabels()).first)
        let digests = InputDigests(file: "\(workspace.root)/inputs.json") { Int64(time(nil)) + 60 }
        defer { try? digests.save() }
        do {
            _ = try BuildInputs(target, in: workspace, remembered: digests, readsContents: false)
            return nil
        } catch {
            return (error as? ManifestError)?.message
        }
    }

    @Test func aTemplateThatItsVariablesDoNotFillIsSaidAtOnce() throws {
        try withWorkspace(["IMAGES.yaml": images("name: x"), "a.tmpl": "hello ${name} and ${other}\n"]) { workspace in
            let message = try #require(try fault(workspace))
            #expect(message.hasPrefix("the template 'a.tmpl': ") && message.contains("other"), "\(message)")
            // Also when the file is known from another time.
            #expect(try fault(workspace) == message)
            try Files.replace("\(workspace.root)/IMAGES.yaml", with: images("name: x, other: y").utf8, durable: false)
            #expect(try fault(workspace) == nil)
            #expect(try fault(workspace) == nil)
            try Files.replace("\(workspace.root)/IMAGES.yaml", with: images("name: x, third: y").utf8, durable: false)
            #expect(try fault(workspace) != nil)
        }
    }

    @Test func contentsAreReadForTheBuildWhateverIsRemembered() throws {
        try withWorkspace(["IMAGES.yaml": images("name: x"), "a.tmpl": "hello ${name}\n"]) { workspace in
            #expect(try fault(workspace) == nil)
            let target = try #require(try workspace.targets(workspace.allLabels()).first)
            let digests = InputDigests(file: "\(workspace.root)/inputs.json")
            let seen = try BuildInputs(target, in: workspace, remembered: digests, readsContents: false)
            let full = try seen.withContents()
            #expect(seen.fingerprints.map(\.digest) == full.fingerprints.map(\.digest))
            let contents = try target.features.map { feature -> [UInt8] in
                guard case .file(let file) = feature.content else { return [] }
                return try full.bytes(of: file.content)
            }
            #expect(contents.map { String(decoding: $0, as: UTF8.self) }.sorted() == ["hello ${name}\n", "hello x\n"])
        }
    }
}
