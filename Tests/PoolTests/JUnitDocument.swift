import Foundation
import FoundationXML
import Testing

/// A JUnit report, read with a real parser and held against what Jenkins' junit-10.xsd allows.
struct JUnitDocument {
    /// Label and name of each test.
    let cases: [String]
    /// The messages.
    let failures: [String]

    /// For each element its attributes, of which those with `!` must be there, and its children.
    private static let schema: [String: (attributes: Set<String>, children: Set<String>)] = [
        "testsuites": (["name", "time", "tests", "failures", "disabled", "errors"], ["testsuite"]),
        "testsuite": (
            [
                "name!", "tests!", "failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id",
                "package",
            ], ["properties", "testcase", "system-out", "system-err"]
        ),
        "testcase": (
            ["name!", "assertions", "time", "classname", "status"],
            ["skipped", "error", "failure", "system-out", "system-err"]
        ),
        "failure": (["type", "message"], []), "system-out": ([], []),
    ]

    init(_ path: String) throws {
        let document = try XMLDocument(contentsOf: URL(filePath: path))
        let root = try #require(document.rootElement())
        #expect(root.name == "testsuites")
        Self.check(root)
        let found = try root.nodes(forXPath: "testsuite/testcase").compactMap { $0 as? XMLElement }
        cases = found.map { "\(Self.attribute($0, "classname")) \(Self.attribute($0, "name"))" }
        failures = try root.nodes(forXPath: "testsuite/testcase/failure").compactMap { $0 as? XMLElement }
            .map { Self.attribute($0, "message") }
        // The counts agree with what is there.
        #expect(Self.attribute(root, "tests") == "\(cases.count)")
        #expect(Self.attribute(root, "failures") == "\(try root.nodes(forXPath: "testsuite/testcase[failure]").count)")
        for suite in try root.nodes(forXPath: "testsuite").compactMap({ $0 as? XMLElement }) {
            #expect(Self.attribute(suite, "tests") == "\(try suite.nodes(forXPath: "testcase").count)")
            #expect(Self.attribute(suite, "failures") == "\(try suite.nodes(forXPath: "testcase[failure]").count)")
        }
    }

    private static func attribute(_ element: XMLElement, _ name: String) -> String {
        element.attribute(forName: name)?.stringValue ?? ""
    }

    private static func check(_ element: XMLElement) {
        guard let rule = schema[element.name ?? ""] else {
            Issue.record("the element '\(element.name ?? "")' is not in the schema")
            return
        }
        let names = Set((element.attributes ?? []).compactMap(\.name))
        #expect(names.isSubset(of: rule.attributes.map { $0.replacing("!", with: "") }), "\(element.name ?? "")")
        let needed = rule.attributes.filter { $0.hasSuffix("!") }.map { $0.replacing("!", with: "") }
        #expect(names.isSuperset(of: needed), "\(element.name ?? "")")
        for child in (element.children ?? []).compactMap({ $0 as? XMLElement }) {
            #expect(rule.children.contains(child.name ?? ""), "\(child.name ?? "") in \(element.name ?? "")")
            check(child)
        }
    }
}
