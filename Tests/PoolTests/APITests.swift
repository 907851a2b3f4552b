import AgentAPI
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Logging
import Networks
import Runtime
import Testing

@testable import Agent
import Spec

/// The API as clients see it that aren't `dish`: by its own description, and with what no client should send.
@Suite(.requiresRoot)
struct APITests {
    /// Seconds that Schemathesis may take: `$DISH_API_SECONDS`, or 20.
    private static let seconds = getenv("DISH_API_SECONDS").flatMap { Int(String(cString: $0)) } ?? 20

    struct Answer {
        let status: Int
        let headers: String
        let body: String

        var error: AgentError? { try? JSONDecoder().decode(AgentError.self, from: Data(body.utf8)) }

        func header(_ name: String) -> String? {
            headers.split(separator: "\r\n").first { $0.lowercased().hasPrefix("\(name.lowercased()): ") }.map {
                String($0.dropFirst(name.count + 2))
            }
        }
    }

    /// One request over the agent's socket.
    func ask(
        _ host: TestHost, _ method: String, _ path: String, _ headers: [String] = [], body: [UInt8]? = nil
    ) async throws -> Answer {
        var arguments = [
            "--silent", "--show-error", "--include", "--max-time", "60", "--path-as-is", "--globoff", "--unix-socket",
            AgentDefaults.socket(in: host.runtimeDirectory), "--request", method, "--header", "Expect:",
        ]
        if body != nil { arguments += ["--data-binary", "@-"] }
        if body != nil, !headers.contains(where: { $0.hasPrefix("Content-Type") }) {
            arguments += ["--header", "Content-Type: application/json"]
        }
        for header in headers { arguments += ["--header", header] }
        var command = Command("/usr/bin/curl", arguments + ["http://dishd\(path)"])
        command.input = body ?? []
        let result = try await command.run()
        try #require(result.status.isSuccess, "\(method) \(path): \(result.errorText)")
        let end = try #require(result.text.firstRange(of: "\r\n\r\n"))
        let head = String(result.text[..<end.lowerBound])
        let status = try #require(head.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        return Answer(status: status, headers: head, body: String(result.text[end.upperBound...]))
    }

    func ask(
        _ host: TestHost, _ method: String, _ path: String, _ headers: [String] = [], json: String
    ) async throws -> Answer {
        try await ask(host, method, path, headers, body: Array(json.utf8))
    }

    @Test func everyRouteIsDescribedAndNothingElse() async throws {
        let state = try Scratch.make("state")
        let pool = try Pool(at: try await SharedPool.shared.path())
        let subnet = try #require(IPv4Subnet("10.77.0.0/24"))
        let configuration = try AgentConfiguration(
            pool: pool, stateDirectory: state, runtimeDirectory: "/run/x", network: TaskNetwork(bridge: "none", subnet: subnet),
            helper: "/none")
        let logger = Logger(label: "test")
        let tasks = TaskManager(configuration, runtime: Nspawn(), logger: logger)
        let packages = PackageManager(configuration, events: tasks.events, logger: logger)
        let jobs = JobManager(configuration, tasks: tasks, packages: packages, logger: logger)
        let drain = HostDrain(configuration, tasks: tasks, jobs: jobs, logger: logger)
        let heartbeat = SchedulerHeartbeat(
            configuration, scheduler: BuiltInScheduler(), interval: 60, tasks: tasks, jobs: jobs, packages: packages,
            drain: drain, logger: logger)
        let server = AgentServer(
            socket: APISocket(path: "/none"), status: AgentStatus(version: "", pid: 0, pool: ""), tasks: tasks, jobs: jobs,
            packages: packages, heartbeat: heartbeat, drain: drain, logger: logger)
        let routes = server.routes
        let described = APIDescription.operations.map { "\($0.method.rawValue.uppercased()) \($0.path)" }
        #expect(Set(routes).subtracting(described) == [], "routes that the document doesn't know")
        #expect(Set(described).subtracting(routes) == [], "what the document has is no route")
        #expect(Set(described).count == described.count)
    }

    @Test func whatMakesNoSenseIsRefusedAsJSONWithItsField() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            func expect(_ status: Int, _ code: AgentError.Code, _ field: String?, _ answer: Answer, _ what: String) {
                #expect(answer.status == status, "\(what): \(answer.headers)\n\(answer.body)")
                #expect(answer.error?.code == code && answer.error?.field == field, "\(what): \(answer.body)")
                #expect(answer.header("Content-Type") == "application/json", "\(what)")
            }
            let bodies: [(String, [UInt8], String?)] = [
                ("cut short", Array(#"{"image": "#.utf8), nil), ("nothing", [], nil), ("no object", Array("[]".utf8), nil),
                ("not UTF-8", Array(#"{"image": ""#.utf8) + [0xFF, 0xC0, 0x80] + Array("\"}".utf8), nil),
                ("half a surrogate pair", Array(#"{"image": "\ud800"}"#.utf8), nil),
                ("deep", Array(String(repeating: "[", count: 100_000).utf8), nil),
                ("deep, an object", Array(String(repeating: #"{"a":"#, count: 100_000).utf8), nil),
                ("a huge number", Array(#"{"image": "i", "limits": {"memory": 1e999}}"#.utf8), nil),
                ("a large number", Array(#"{"image": "i", "limits": {"memory": 18446744073709551615}}"#.utf8), "limits.memory"),
                (
                    "a long number",
                    Array("{\"image\": \"i\", \"limits\": {\"memory\": \(String(repeating: "9", count: 400))}}".utf8), nil
                ),
                ("NUL", Array(#"{"image": "i", "command": ["a\u0000b"]}"#.utf8), "command[0]"),
                ("unknown field", Array(#"{"image": "i", "limits": {"memroy": 1}}"#.utf8), "limits.memroy"),
                ("no port", Array(#"{"image": "//os:base", "publish": ["1:2", "x"]}"#.utf8), "publish[1]"),
                ("too little", Array(#"{"image": "//os:base", "limits": {"memory": 5}}"#.utf8), "limits.memory"),
                ("no name", Array(#"{"image": "//os:base", "name": "../x"}"#.utf8), "name"),
                ("for commands only", Array(#"{"image": "//os:base", "user": "daemon"}"#.utf8), "user"),
                ("an owner", Array(#"{"image": "i", "owner": {"job": "j", "version": 1, "replica": 0}}"#.utf8), "owner"),
                ("another pool", Array(#"{"image": "//os:base", "pool": "/none"}"#.utf8), "pool"),
            ]
            for (what, body, field) in bodies {
                let answer = try await ask(host, "POST", "/v1/tasks", body: body)
                expect(400, .invalid, field, answer, what)
            }
            for (fields, field) in [
                (#""user": "none""#, "user"), (#""directory": "x""#, "directory"), (#""stopSignal": "SIGX""#, "stopSignal"),
                (#""allowedMounts": ["/a", "b"]"#, "allowedMounts[1]"),
                (#""capabilities": {"add": ["BPF"]}"#, "capabilities.add[0]"),
                (#""network": "none", "publish": ["1:2"]"#, "publish[0]"), (#""publish": ["1:2", "1:3"]"#, "publish[1]"),
                (#""limits": {"cpuset": "999"}"#, "limits.cpuset"), (#""health": [{"unit": "a.service"}]"#, "health[0]"),
            ] {
                let task = #"{"image": "//os:base", "command": ["/bin/true"], \#(fields)}"#
                expect(400, .invalid, field, try await ask(host, "POST", "/v1/tasks", json: task), fields)
                if field == "user" { continue }
                // As one of a job's.
                let path = field == "publish[0]" ? "task.publish" : "task.\(field)"
                let job = try await ask(host, "PUT", "/v1/jobs/a", json: #"{"name": "a", "task": \#(task)}"#)
                expect(400, .invalid, path, job, fields)
            }
            let unknown = #"{"image": "//no:such", "command": ["/bin/true"]}"#
            expect(404, .notFound, "image", try await ask(host, "POST", "/v1/tasks", json: unknown), "no image")
            let without = try await ask(host, "PUT", "/v1/jobs/a", json: #"{"name": "a", "task": \#(unknown)}"#)
            expect(404, .notFound, "task.image", without, "no image of a job")
            let answer = try await ask(
                host, "PUT", "/v1/jobs/a", json: #"{"name": "a", "task": {"image": "i"}, "replicas": 1001}"#)
            expect(400, .invalid, "replicas", answer, "replicas")
            expect(
                415, .notJSON, nil, try await ask(host, "POST", "/v1/tasks", ["Content-Type: text/plain"], json: "{}"), "text")
            let long = Array(repeating: UInt8(ascii: " "), count: 3 << 20)
            expect(413, .tooLarge, nil, try await ask(host, "POST", "/v1/tasks", body: long), "too large")
            expect(404, .notFound, nil, try await ask(host, "GET", "/v1/nothing/%FF/%00"), "no path")
            expect(404, .notFound, nil, try await ask(host, "GET", "/v1/tasks/%FF%00"), "no name")
            let method = try await ask(host, "DELETE", "/v1/tasks")
            expect(405, .methodNotAllowed, nil, method, "method")
            #expect(method.header("Allow") == "GET, POST")
            expect(400, .invalid, "?seconds", try await ask(host, "GET", "/v1/tasks/a/wait?seconds=soon"), "seconds")
            expect(400, .invalid, "?state", try await ask(host, "GET", "/v1/tasks/a/wait?state=well"), "state")
            expect(404, .notFound, nil, try await ask(host, "GET", "/v1/tasks/a/wait?state=running&seconds=1"), "wait")
            expect(400, .invalid, "?seconds", try await ask(host, "GET", "/v1/tasks/a/wait-removed?seconds=-1"), "seconds")
            #expect(try await ask(host, "GET", "/v1/tasks/a/wait-removed?seconds=1").status == 200)
            expect(400, .invalid, "name", try await ask(host, "POST", "/v1/jobs/a/wait", json: "{}"), "wait for a job")
            let longName = String(repeating: "a", count: 201)
            expect(400, .invalid, "name", try await ask(host, "GET", "/v1/tasks/\(longName)"), "long name")
            expect(400, .invalid, "?froce", try await ask(host, "DELETE", "/v1/tasks/a?froce=true"), "parameter")
            expect(400, .invalid, "If-None-Match", try await ask(host, "GET", "/v1/tasks", ["If-None-Match;"]), "header")
            #expect(try await host.dish("ps", "--json").text == "[\n\n]")
        }
    }

    @Test func aTagTellsWhatHasChangedAndHoldsBackWhoDoesNotKnow() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let run = try await host.dish("run", "-d", "//os:base", "--name", "tagged", "--", "/bin/sleep", "1000")
            #expect(run.code == 0, "\(run)")
            _ = try await host.wait(for: "tagged") { $0.state == .running }
            let seen = try await ask(host, "GET", "/v1/tasks/tagged")
            let tag = try #require(seen.header("ETag"))
            let same = try await ask(host, "GET", "/v1/tasks/tagged", ["If-None-Match: \"x\", \(tag)"])
            #expect(same.status == 304 && same.body == "" && same.header("ETag") == tag)
            let change = #"{"limits": {"pids": 100}, "bestEffort": true}"#
            let changed = try await ask(host, "PATCH", "/v1/tasks/tagged/limits", ["If-Match: \(tag)"], json: change)
            #expect(changed.status == 200, "\(changed)")
            let late = try await ask(host, "PATCH", "/v1/tasks/tagged/limits", ["If-Match: \(tag)"], json: change)
            #expect(late.status == 412 && late.error?.code == .changed, "\(late)")
            #expect(try await ask(host, "DELETE", "/v1/tasks/tagged?force=true", ["If-Match: \(tag)"]).status == 412)
            #expect(try await ask(host, "GET", "/v1/tasks/tagged", ["If-None-Match: \(tag)"]).status == 200)

            let job = #"{"name": "j", "replicas": 0, "task": {"image": "//os:base", "command": ["/bin/true"]}}"#
            #expect(try await ask(host, "PUT", "/v1/jobs/j", ["If-Match: *"], json: job).status == 412)
            #expect(try await ask(host, "PUT", "/v1/jobs/j", json: job).status == 200)
            let first = try #require(try await ask(host, "GET", "/v1/jobs/j").header("ETag"))
            let other = job.replacing("true", with: "false")
            #expect(try await ask(host, "PUT", "/v1/jobs/j", ["If-Match: \(first)"], json: other).status == 200)
            #expect(try await ask(host, "PUT", "/v1/jobs/j", ["If-Match: \(first)"], json: job).status == 412)
            #expect(try await ask(host, "DELETE", "/v1/jobs/j", ["If-Match: \(first)"]).status == 412)
        }
    }

    @Test func aKeyMakesTheSameOnceAlsoWhenTheAgentIsKilled() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { agent in
            let key = "Idempotency-Key: order-17"
            let request = #"{"image": "//os:base", "command": ["/bin/sleep", "1000"]}"#
            let first = try await ask(host, "POST", "/v1/tasks", [key], json: request)
            #expect(first.status == 201 && first.header("Idempotency-Replayed") == nil, "\(first)")
            agent.kill()
            _ = try await host.startAgent()
            let again = try await ask(host, "POST", "/v1/tasks", [key], json: request)
            #expect(again.status == 201 && again.body == first.body && again.header("Idempotency-Replayed") == "true", "\(again)")
            let other = try await ask(host, "POST", "/v1/tasks", [key], json: request.replacing("1000", with: "2000"))
            #expect(other.status == 409 && other.error?.code == .conflict, "\(other)")
            #expect(try await host.client.tasks().count == 1)

            // What was refused made nothing, and may be asked for again.
            let wrong = try await ask(host, "POST", "/v1/tasks", ["Idempotency-Key: b"], json: #"{"image": "//no:such"}"#)
            #expect(wrong.status == 404)
            let right = try await ask(host, "POST", "/v1/tasks", ["Idempotency-Key: b"], json: request)
            #expect(right.status == 201, "\(right)")
            // As if the agent had died after the task was made and before its answer was kept.
            let id = try JSONDecoder().decode(TaskStatus.self, from: Data(right.body.utf8)).id
            for file in try Files.list("\(host.stateDirectory)/idempotency") {
                let path = "\(host.stateDirectory)/idempotency/\(file)"
                let text = try Files.readText(path)
                guard text.contains(id) else { continue }
                let lines = text.split(separator: "\n").filter { !$0.contains("\"answer\"") && !$0.contains("\"status\"") }
                let record = lines.joined(separator: "\n").replacing(",\n}", with: "\n}")
                try Files.replace(path, with: record.utf8)
            }
            let found = try await ask(host, "POST", "/v1/tasks", ["Idempotency-Key: b"], json: request)
            #expect(found.status == 201 && found.header("Idempotency-Replayed") == nil, "\(found)")
            #expect(try JSONDecoder().decode(TaskStatus.self, from: Data(found.body.utf8)).id == id)
            #expect(try await host.client.tasks().count == 2)

            let name = try #require(try await host.client.tasks().first?.name)
            let made = try await ask(host, "POST", "/v1/tasks/\(name)/snapshots", [key], json: "{}")
            #expect(made.status == 201, "\(made)")
            #expect(try await ask(host, "POST", "/v1/tasks/\(name)/snapshots", [key], json: "{}").body == made.body)
            #expect(try await host.client.snapshots(name).count == 1)
        }
    }

    /// Makes requests from the document for as long as it may, and checks each answer against it: no 500, no status, content or
    /// schema that isn't described, nothing accepted that shouldn't be.
    @Test func schemathesisFindsNothing() async throws {
        let program = "\(Programs.repository)/.build/schemathesis/bin/schemathesis"
        try #require(Files.exists(program), "schemathesis isn't installed: scripts/setup test")
        let authority = try await TestAuthority()
        let (server, client) = (try await authority.give("/CN=host"), try await authority.give("/OU=dish:admin/CN=tester"))
        let port = try FreePort.tcp()
        let host = try TestHost(
            pool: try await SharedPool.shared.path(),
            agentOptions: [
                "--listen", "127.0.0.1:\(port)", "--tls-cert", server.certificate, "--tls-key", server.key, "--tls-ca",
                authority.path,
            ])
        try await host.withAgent { agent in
            // Tasks that run are what most requests are about.
            let run = try await host.dish("run", "-d", "//os:base", "--name", "web", "--", "/bin/sleep", "1000")
            #expect(run.code == 0, "\(run)")
            let job = #"{"name": "web", "task": {"image": "//os:base", "command": ["/bin/sleep", "1000"]}}"#
            #expect(try await ask(host, "PUT", "/v1/jobs/web", json: job).status == 200)
            // The first account of a pool reads all of it.
            #expect(try await ask(host, "GET", "/v1/pool/map").status == 200)

            let folder = try Scratch.make("schemathesis")
            let document = try await ask(host, "GET", "/v1/openapi.json").body
            let known = try Self.withWhatIsThere(JSONDecoder().decode(JSONValue.self, from: Data(document.utf8)))
            try Files.replace("\(folder)/openapi.json", with: JSONEncoder().encode(known), durable: false)
            // What a document can't say: a name that is taken, limits that contradict each other.
            try Files.replace(
                "\(folder)/schemathesis.toml",
                with: """
                    [checks.positive_data_acceptance]
                    expected-statuses = ["2xx", "304", "400", "403", "404", "409", "412", "422"]

                    """.utf8, durable: false)
            var spawn = Spawn(
                program,
                [
                    "--config-file", "\(folder)/schemathesis.toml", "run", "\(folder)/openapi.json", "--url",
                    "https://127.0.0.1:\(port)", "--tls-verify", authority.path, "--request-cert", client.certificate,
                    "--request-cert-key", client.key, "--checks", "all", "--max-time", "\(Self.seconds)", "--request-timeout",
                    "60",
                    "--no-color", "--generation-database", "none",
                ])
            spawn.directory = folder
            spawn.environment["HOME"] = folder
            spawn.timeLimit = .seconds(Self.seconds + 180)
            let result = try await Command(spawn).run()
            #expect(result.status == .code(0), "\(result.text.suffix(20_000))\n\(result.errorText.suffix(2000))")
            let count = APIDescription.operations.count { !Self.isLeftOut($0.path) }
            #expect(result.text.contains("\(count)/\(count)"), "not all operations were tested")
            #expect(kill(agent.pid, 0) == 0, "the agent is gone:\n\(host.agentLog.suffix(5000))")
            #expect(try await host.dish("ps").code == 0)
        }
    }

    /// What waits for as long as it is told, and what would keep all others from starting anything.
    private static func isLeftOut(_ path: String) -> Bool { path.contains("/wait") || path == "/v1/host/drain" }

    /// The document with names of what is there, so that requests come further than "there is no such task"; and without what has no
    /// end, or waits for as long as it is told. A job gets no image that there is: it could have a thousand replicas. Images are asked of
    /// a registry that doesn't answer.
    private static func withWhatIsThere(_ document: JSONValue) throws -> JSONValue {
        guard case .object(var root) = document, case .object(var components)? = root["components"],
            case .object(var schemas)? = components["schemas"], case .object(var request)? = schemas["TaskRequest"],
            case .object(var properties)? = request["properties"], case .object(var job)? = schemas["JobSpec"],
            case .object(var jobProperties)? = job["properties"], case .object(var paths)? = root["paths"]
        else { throw FixtureError("the document isn't what it was") }
        schemas["JobTask"] = schemas["TaskRequest"]
        jobProperties["task"] = ["$ref": "#/components/schemas/JobTask"]
        job["properties"] = .object(jobProperties)
        properties["image"] = ["type": "string", "enum": ["//os:base"]]
        request["properties"] = .object(properties)
        (schemas["TaskRequest"], schemas["JobSpec"]) = (.object(request), .object(job))
        schemas["PackageRequest"] = [
            "type": "object", "additionalProperties": false, "required": ["references"],
            "properties": [
                "references": [
                    "type": "array", "maxItems": 100, "items": ["type": "string", "enum": ["127.0.0.1:1/none:1"]],
                ], "always": ["type": "boolean"],
            ],
        ]
        components["schemas"] = .object(schemas)
        for (path, value) in paths {
            if isLeftOut(path) {
                paths[path] = nil
                continue
            }
            guard case .object(var methods) = value else { continue }
            for (method, value) in methods {
                guard case .object(var operation) = value, case .list(let parameters)? = operation["parameters"] else { continue }
                operation["parameters"] = .list(parameters.compactMap { known($0, method) })
                methods[method] = .object(operation)
            }
            paths[path] = .object(methods)
        }
        (root["components"], root["paths"]) = (.object(components), .object(paths))
        return .object(root)
    }

    private static func known(_ parameter: JSONValue, _ method: String) -> JSONValue? {
        guard case .object(var fields) = parameter else { return parameter }
        if fields["name"] == "follow" || fields["name"] == "seconds" { return nil }
        // What removes would take it from the others.
        if fields["name"] == "name", fields["in"] == "path", method != "delete" {
            fields["schema"] = ["type": "string", "enum": ["web"]]
        }
        return .object(fields)
    }
}
