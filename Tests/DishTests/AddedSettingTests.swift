import AgentAPI
import ArgumentParser
import Foundation
import Spec
import Testing

@testable import Agent
@testable import Manifest
@testable import dish

/// Settings of the tests' own, added as docs/adding-a-setting.md says: a property, a row, an option.
private struct Kettle: Settings {
    var heat: UInt64?
    var cups: Int?

    static let name = "Kettle"
    static let about = "What boils."
    static let fields: [Field<Kettle>] = [
        .cores("heatPower", \.heat, 100...2000, "How it is heated."),
        .count("cups", \.cups, 1...10, default: "2", "For how many."),
    ]
}

private struct KettleOptions: ParsableArguments {
    @Option(help: Kettle.help("heatPower")) var heatPower: String?
    @Option(help: Kettle.help("cups")) var cups: String?
}

@Suite struct AddedSettingTests {
    private let schema = MappingSchema(Kettle.table, "'kettle'", title: "kettle")

    @Test func itIsReadFromYAML() throws {
        let file = MappingSchema("the file", title: "The file", [KeySchema("kettle", .mapping(schema), "What boils.")])
        let document = try #require(try YAMLDocument.read("kettle: {heat_power: 0.5, cups: 3}", file: "f"))
        let mapping = try #require(try CheckedMapping(document, file).mapping("kettle"))
        var values: [String: JSONValue] = [:]
        for field in Kettle.table.fields { values[field.name.json] = try mapping.json(field) }
        #expect(try Kettle(checking: .object(values)) == Kettle(heat: 500, cups: 3))
        let wrong = try #require(try YAMLDocument.read("kettle: {cups: 11}", file: "f"))
        #expect(throws: ManifestError.self) { try CheckedMapping(wrong, file) }
    }

    @Test func itIsInJSONAndInChanges() throws {
        let kettle = try JSONDecoder().decode(Kettle.self, from: Data(#"{"heatPower": 500}"#.utf8))
        #expect(kettle == Kettle(heat: 500))
        var changed = kettle
        try changed.apply(Kettle(cups: 4), lifting: ["heatPower"])
        #expect(changed == Kettle(cups: 4))
    }

    @Test func theAPIsDocumentHasIt() throws {
        guard case .object(let object) = APIObject(Kettle.self).json, case .object(let properties)? = object["properties"] else {
            Issue.record("no object")
            return
        }
        #expect(properties["cups"] == ["type": "integer", "minimum": 1, "maximum": 10, "description": "For how many."])
        #expect(throws: AgentError.self) { try APISchema.object(APIObject(Kettle.self)).check(["cups": 0]) }
    }

    @Test func theSchemaForEditorsAndTheReferenceHaveIt() {
        let schema = JSONSchema.document(schema, "Kettles")
        #expect(schema.contains("\"heat_power\"") && schema.contains("\"maximum\": 10"))
        let reference = Reference.text(of: self.schema)
        #expect(reference.contains("| `heat_power` | a number of CPUs from 0.1 to 2 | none | How it is heated. |"))
        #expect(reference.contains("| `cups` | a whole number from 1 to 10 | 2 | For how many. |"))
    }

    @Test func itIsAnOption() throws {
        let help = KettleOptions.helpMessage(columns: 200)
        #expect(help.contains("For how many. (a whole number from 1 to 10; default: 2)"))
        let read = try Kettle.read(KettleOptions.parse(["--heat-power", "0.5", "--cups", "max"]))
        #expect(read.settings == Kettle(heat: 500) && read.lifted == ["cups"])
        let error = #expect(throws: ValidationError.self) { try Kettle.read(KettleOptions.parse(["--cups", "0"])) }
        #expect(error?.message == "--cups must be a whole number from 1 to 10, not '0'.")
    }
}
