import ArgumentParser
import Foundation
import Spec
import Testing

@testable import Agent
@testable import Manifest
@testable import dish

/// Whatever describes, reads or checks a setting says the same of it: all are asked about each field of each table, with values at, below
/// and above its bounds.
@Suite struct AgreementTests {
    /// A value and whether it may be.
    private struct Probe {
        let json: JSONValue
        /// As people write it; nil where they can't.
        let text: String?
        let isAllowed: Bool
    }

    private static func probes(_ kind: FieldKind) -> [Probe] {
        func number(_ low: Int64, _ high: Int64, _ text: (Int64) -> String) -> [Probe] {
            [low, low + 1, high].map { Probe(json: .integer($0), text: text($0), isAllowed: true) }
                + [low - 1, high + 1].map { Probe(json: .integer($0), text: $0 < 0 ? nil : text($0), isAllowed: false) }
        }
        switch kind {
        case .bytes(let range): return number(Int64(range.lowerBound), Int64(range.upperBound)) { "\($0)" }
        case .cores(let range): return number(Int64(range.lowerBound), Int64(range.upperBound)) { kind.text(of: .integer($0)) }
        case .count(let range): return number(range.lowerBound, range.upperBound) { "\($0)" }
        case .seconds(let range):
            return [range.lowerBound, range.upperBound].map { Probe(json: .number($0), text: "\($0)s", isAllowed: true) }
                + [range.lowerBound - 0.001, range.upperBound + 1].map {
                    Probe(json: .number($0), text: $0 < 0 ? nil : "\($0)s", isAllowed: false)
                }
        case .word(let words, let older):
            return words.map { Probe(json: .text($0), text: $0, isAllowed: true) }
                + older.keys.map { Probe(json: .text($0), text: nil, isAllowed: false) }
                + [Probe(json: "nonsense", text: "nonsense", isAllowed: false)]
        case .flag: return [true, false].map { Probe(json: .boolean($0), text: "\($0)", isAllowed: true) }
        default: return []
        }
    }

    private static let tables: [SettingsTable] = [
        Limits.table, RestartPolicy.table, HealthCheck.table, HTTPProbe.table, TaskOwner.table, TaskCapabilities.table,
        TaskRequest.table, JobSpec.table, JobSpec.Update.table, JobSpec.Dependency.table,
    ]

    @Test func theAPIAndItsDocumentSayWhatTheTableSays() throws {
        let objects = APIDescription.objects
        for table in Self.tables {
            let object = try #require(objects[table.name], "\(table.name)")
            #expect(object.fields.map(\.name) == table.fields.map(\.name.json))
            guard case .object(let document) = object.json, case .object(let properties)? = document["properties"] else {
                Issue.record("\(table.name) is no object")
                continue
            }
            for field in table.fields {
                guard case .object(let property)? = properties[field.name.json] else {
                    Issue.record("\(table.name) hasn't \(field.name)")
                    continue
                }
                #expect(property["description"] == .text(field.about))
                let schema = try #require(object.fields.first { $0.name == field.name.json }).schema
                for probe in Self.probes(field.kind) {
                    let isTaken = (try? schema.check(probe.json)) != nil
                    #expect(isTaken == probe.isAllowed, "\(table.name).\(field.name) \(probe.json)")
                    #expect(Self.admits(property, probe.json) == probe.isAllowed, "\(table.name).\(field.name) \(probe.json)")
                }
            }
        }
    }

    /// A JSON Schema's word on a number, a word or a flag.
    private static func admits(_ schema: [String: JSONValue], _ value: JSONValue) -> Bool {
        func double(_ value: JSONValue?) -> Double? {
            switch value {
            case .integer(let integer): Double(integer)
            case .number(let number): number
            default: nil
            }
        }
        if case .list(let words)? = schema["enum"] { return words.contains(value) }
        switch (schema["type"], value) {
        case ("boolean", .boolean): return true
        case ("integer", .integer(let integer)):
            guard case .integer(let low)? = schema["minimum"], case .integer(let high)? = schema["maximum"] else { return false }
            return (low...high).contains(integer)
        case ("number", _):
            guard let number = double(value), let low = double(schema["minimum"]), let high = double(schema["maximum"]) else {
                return false
            }
            return (low...high).contains(number)
        default: return false
        }
    }

    @Test func YAMLAndItsReferenceSayWhatTheTableSays() throws {
        for table in Self.tables {
            let schema = MappingSchema(table, "'it'", title: "it")
            let reference = Reference.text(of: schema)
            for field in table.fields {
                if !Self.probes(field.kind).isEmpty {
                    let standard = field.isRequired ? "required" : field.standard.isEmpty ? "–" : field.standard
                    #expect(reference.contains("| `\(field.name.key)` | \(field.kind.bounds) | \(standard) | \(field.about) |"))
                }
                for probe in Self.probes(field.kind) {
                    guard let text = probe.text else { continue }
                    let one = MappingSchema("'it'", title: "it", [KeySchema(field)])
                    let document = try #require(try YAMLDocument.read("\(field.name.key): \(text)", file: "f"))
                    let read = try? CheckedMapping(document, one).json(field)
                    #expect((read != nil) == probe.isAllowed, "\(table.name).\(field.name) \(text)")
                    if let read { #expect(Self.equal(read, probe.json), "\(table.name).\(field.name) \(text)") }
                }
            }
        }
    }

    private static func equal(_ one: JSONValue, _ other: JSONValue) -> Bool {
        if case .integer(let integer) = one, case .number(let number) = other { return Double(integer) == number }
        return one == other
    }

    /// Options of limits; others have forms of their own.
    @Test func optionsAndHelpSayWhatTheTableSays() throws {
        let help = LimitOptions.helpMessage(columns: 1000)
        for field in Limits.table.fields {
            #expect(help.contains("--\(field.name.option) "), "\(field.name)")
            #expect(help.contains("\(field.about) (\(field.kind.bounds)"), "\(field.name)")
            for probe in Self.probes(field.kind) {
                guard let text = probe.text else { continue }
                let read = try? LimitOptions.parse(["--\(field.name.option)", text]).limits
                #expect((read != nil) == probe.isAllowed, "\(field.name) \(text)")
                if let read { #expect(read.values.map(\.value) == [probe.json], "\(field.name) \(text)") }
            }
        }
    }

    /// Of what was written by earlier versions, as it is on disk.
    @Test func whatEarlierVersionsWroteIsRead() throws {
        let job = try JSONDecoder().decode(JobSpec.self, from: Data(Self.stored.utf8))
        #expect(job.task.limits == Limits(cpu: 500, memory: 256 << 20, pids: 200))
        #expect(job.task.restart == RestartPolicy(.always, attempts: 5))
        #expect(job.task.health.map(\.probe) == [.tcp(port: 80), .http(port: 80, path: "/healthz")])
        #expect(job.task.publish.map(\.description) == ["8080:80"] && job.task.volumes.map(\.path) == ["/srv"])
        #expect(job.task.secrets.map(\.credential) == ["password"] && job.update.minReady == nil && job.drain == 2)
    }

    private static let stored = """
        {"dependsOn": [{"condition": "ready", "job": "db"}], "drain": 2, "name": "web", "pull": "missing", "replicas": 3,
         "stopTimeout": 10, "task": {"allowedMounts": [], "attach": false, "bestEffort": false, "capabilities": {"add": [], "drop": []},
         "class": "burstable", "environment": {"A": "1"}, "health": [{"failures": 3, "interval": 10, "purpose": "liveness",
         "startPeriod": 0, "successes": 1, "tcp": 80, "timeout": 5}, {"failures": 3, "http": {"path": "/healthz", "port": 80},
         "interval": 0.5, "purpose": "readiness", "startPeriod": 0, "successes": 1, "timeout": 5}], "image": "//web:app",
         "interactive": false, "limits": {"cpu": 500, "memory": 268435456, "pids": 200}, "network": "private",
         "publish": ["8080:80"], "removeWhenDone": false, "restart": {"attempts": 5, "backoff": 1, "longestBackoff": 300,
         "mode": "always", "resetAfter": 600, "window": 600}, "secrets": ["password=db-password"], "security": "default",
         "terminal": false, "userNamespace": true, "volumes": ["data:/srv:ro"]}, "update": {"batch": 1, "deadline": 120,
         "order": "start-first", "pause": 0, "rollback": true}}
        """
}
