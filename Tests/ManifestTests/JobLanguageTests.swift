import Foundation
import Spec
import Testing

@testable import Manifest

/// What files of jobs say, and that their schema and documentation are the parser's own description.
struct JobLanguageTests {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func example() throws -> String {
        try String(contentsOf: repository.appending(path: "examples/jobs/jobs.yaml"), encoding: .utf8)
    }

    @Test func whatIsLeftOutHasItsDefault() throws {
        let job = try #require(try JobFile("jobs: [{name: a, image: //b:c}]", file: "f").jobs.first).spec
        #expect(job.replicas == 1 && job.task.command == nil && job.task.network == .private && job.task.userNamespace)
        #expect(job.task.restart.mode == .always && job.task.restart.attempts == nil)
        #expect(job.update.batch == 1 && job.update.order == .startFirst && job.update.deadline == 120)
        #expect(job.update.rollback && job.update.pause == 0)
        #expect(job.stopTimeout == 10 && job.task.stopSignal == nil && job.drain == 2)
        #expect(job.stopWithoutScheduler == nil)
        #expect(job.task.security == .default && job.task.capabilities == TaskCapabilities())
    }

    @Test func theExampleIsReadAsItIsMeant() throws {
        let jobs = try JobFile(Self.example(), file: "f").jobs.map(\.spec)
        let web = try #require(jobs.first)
        #expect(web.replicas == 3 && web.task.environment == ["WORKERS": "4"])
        #expect(web.task.limits.cpu == 500 && web.task.limits.memory == 256 << 20 && web.task.limits.pids == 200)
        #expect(web.task.restart.attempts == 5 && web.task.restart.longestBackoff == 60)
        #expect(web.task.health.map(\.purpose) == [.startup, .liveness, .readiness])
        #expect(web.task.health.map(\.probe) == [.unit("nginx.service"), .tcp(port: 80), .http(port: 80, path: "/")])
        #expect(web.dependsOn.map(\.job) == ["greeter", "clock"])
        #expect(web.dependsOn.map(\.condition) == [.ready, .started])
        #expect(jobs[1].task.stopSignal == "SIGTERM" && jobs[1].stopWithoutScheduler == 3600)
        #expect(jobs[1].task.security == .confined && jobs[1].task.capabilities == .init(add: ["kill"], drop: ["all"]))
        #expect(jobs[2].task.restart.mode == .onFailure)
    }

    @Test func jobsStandAfterThoseTheyDependOn() throws {
        let jobs = try JobFile(Self.example(), file: "f").jobs
        #expect(try JobFile.ordered(jobs).map(\.name.value) == ["greeter", "clock", "web"])
    }

    @Test func theExampleUsesEveryKey() throws {
        let known = KeyUse.all(JobLanguage.file)
        #expect(known.count > 50)
        #expect(known.subtracting(try KeyUse.used(in: Self.example(), file: "f", JobLanguage.file)).sorted() == [])
    }

    @Test func theDocumentationHasTheReferenceAsItIs() throws {
        let text = try String(contentsOf: Self.repository.appending(path: "docs/jobs.md"), encoding: .utf8)
        #expect(text.hasSuffix("## All keys\n\n\(Reference.jobs)"), "print it anew: dish job schema --reference")
    }

    @Test func theSchemaSaysOfTheExampleWhatTheParserSays() throws {
        let document = try #require(try JSONSerialization.jsonObject(with: Data(JSONSchema.jobs.utf8)) as? [String: Any])
        let definitions = try #require(document["$defs"] as? [String: Any])
        let references = JSONSchema.jobs.matches(of: /"\$ref": "#\/\$defs\/([^"]+)"/).map { String($0.1) }
        #expect(Set(references) == Set(definitions.keys))
        // Python's jsonschema is what reads it best here; hosts without it have the structural test above.
        let script = """
            import sys
            try:
                import json, yaml, jsonschema
            except ImportError:
                sys.exit(77)
            schema = json.load(sys.stdin)
            jsonschema.Draft202012Validator.check_schema(schema)
            jsonschema.validate(yaml.safe_load(open(sys.argv[1])), schema)
            for bad in ({"jobs": [{"name": "a"}]}, {"jobs": [{"name": "a", "image": "b", "replicas": -1}]}, {}):
                assert not jsonschema.Draft202012Validator(schema).is_valid(bad)
            """
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script, Self.repository.appending(path: "examples/jobs/jobs.yaml").path()]
        let (input, errors) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardError = errors
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(JSONSchema.jobs.utf8))
        try input.fileHandleForWriting.close()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect([0, 77].contains(process.terminationStatus), "\(text)")
    }
}
