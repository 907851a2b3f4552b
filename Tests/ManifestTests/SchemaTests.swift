import Foundation
import Testing

@testable import Manifest

/// The JSON Schema and the documentation come from the parser's own description.
struct SchemaTests {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test func theDocumentationHasTheReferenceAsItIs() throws {
        let text = try String(contentsOf: Self.repository.appending(path: "docs/build-language.md"), encoding: .utf8)
        #expect(text.hasSuffix("## All keys\n\n\(Reference.text)"), "print it anew: dish image schema --reference")
    }

    @Test func theSchemaIsJSONWhoseReferencesLeadSomewhere() throws {
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(JSONSchema.text.utf8)) as? [String: Any])
        #expect(document["$schema"] as? String == "https://json-schema.org/draft/2020-12/schema")
        let definitions = try #require(document["$defs"] as? [String: Any])
        let references = JSONSchema.text.matches(of: /"\$ref": "#\/\$defs\/([^"]+)"/).map { String($0.1) }
        #expect(Set(references) == Set(definitions.keys))
        let image = try #require((definitions["images"] as? [String: Any])?["properties"] as? [String: Any])
        #expect(image.keys.contains("packages") && image.keys.contains("run"))
    }

    @Test func theExamplesUseEveryKey() throws {
        let known = KeyUse.all()
        let folder = Self.repository.appending(path: "examples")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
            .compactMap { $0 as? URL }.filter { $0.lastPathComponent == ImageFile.name }
        var used: Set<String> = []
        for file in files {
            used.formUnion(try KeyUse.used(in: String(contentsOf: file, encoding: .utf8), file: file.lastPathComponent))
        }
        #expect(known.count > 100)
        #expect(known.subtracting(used).sorted() == [])
    }

    @Test func theSchemaSaysOfTheExamplesWhatTheParserSays() throws {
        // Python's jsonschema is what reads it best here; hosts without it have the structural test above.
        let script = """
            import sys
            try:
                import json, yaml, jsonschema
            except ImportError:
                sys.exit(77)
            schema = json.load(open(sys.argv[1]))
            jsonschema.Draft202012Validator.check_schema(schema)
            for path in sys.argv[2:]:
                jsonschema.validate(yaml.safe_load(open(path)), schema)
            bad = {"images": [{"name": "a", "base": "scratch", "pakages": []}]}
            assert not jsonschema.Draft202012Validator(schema).is_valid(bad)
            """
        let schema = FileManager.default.temporaryDirectory.appending(path: "dish-schema-\(UUID()).json")
        try JSONSchema.text.write(to: schema, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: schema) }
        let examples = FileManager.default.enumerator(
            at: Self.repository.appending(path: "examples"), includingPropertiesForKeys: nil)?
            .compactMap { $0 as? URL }.filter { $0.lastPathComponent == ImageFile.name }.map { $0.path() }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script, schema.path()] + (examples ?? [])
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect([0, 77].contains(process.terminationStatus), "\(text)")
    }
}
