import Fixtures
import AgentAPI
import Glibc
import Layers
import Linux
import Testing

@testable import Agent
@testable import Btrfs
import Spec

struct MetricsTests {
    static let hostile = "a\"b\\c\nd\r\ne{f}<script>alert(1)</script>,🦊=\u{202E}"

    /// Everything there is to tell.
    private func everything(_ name: String = "web", image: String = "//web:app", tasks count: Int = 1) throws -> MetricsSnapshot {
        let stall = ResourcePressure.Stall(average10: 1, average60: 2, average300: 3, total: 1_500_000)
        let resource = ResourcePressure.Resource(some: stall, full: stall)
        let pressure = ResourcePressure(cpu: resource, memory: resource, io: resource)
        let tasks = (0..<count).map { number in
            let name = number == 0 ? name : "\(name)-\(number)"
            var status = TaskStatus(
                id: "id\(number)", name: name, image: image, layer: "0", pool: "/pool", state: .running, reason: nil,
                created: 1000,
                exit: nil, processes: nil, address: nil, network: .private, publish: [], volumes: nil, command: nil,
                limits: .init(), notEnforced: [], userBase: nil, paths: .init(root: "", log: "", helper: "", cgroups: []))
            status.health = TaskHealth(started: true, live: true, ready: true)
            (status.restarts, status.class, status.owner) = (2, .burstable, TaskOwner(job: "shop", version: 1, replica: 0))
            let limits = Limits(cpu: 1500, memory: 1 << 30, disk: 1 << 31, pids: 100)
            var usage = TaskUsage(id: status.id, name: name, class: .burstable, limits: limits, at: 0)
            usage.cpu = .init(time: 2_500_000)
            usage.cpu?.throttledTime = 500_000
            usage.cpu?.throttledPeriods = 7
            usage.memory = .init(
                current: 9_007_199_254_740_993, peak: 2, anonymous: 3, file: 4, kernel: 5, swap: 6, highEvents: 7, maxEvents: 8,
                kills: 9)
            usage.io = .init(readBytes: 1, writtenBytes: 2, reads: 3, writes: 4)
            (usage.pids, usage.disk, usage.pressure) = (.init(current: 5, refused: 6), .init(used: 7, limit: 8), pressure)
            return MetricsSnapshot.TaskFigures(status: status, runs: 3, usage: usage)
        }
        let resources = HostCapacity.Resource(total: 2000, system: 100, reserved: 200, committed: 300, used: 400)
        let host = HostCapacity(
            name: "host", at: 0, cpu: resources, memory: resources, disk: nil, overcommit: 2, tasks: 1, pressure: pressure,
            unenforceable: ["io"])
        let device = Device(
            id: 1, path: "/dev/sda", size: 10, allocated: 5, isMissing: false, isCut: false, errors: DeviceErrors(writes: 3))
        let pool = PoolFigures(
            path: "/pool", space: .init(total: 100, available: 50), hasQuotas: true, isReadOnly: false,
            health: PoolHealth([device], [], isChanging: false),
            layers: 4, damagedLayers: 0, layerBytes: 40, volumes: [.init(name: "data", used: 1, size: 2)])
        let requests = RequestMetrics()
        requests.record(.init(route: "/v1/tasks/:name", method: "GET", status: 200), seconds: 0.003)
        requests.record(.init(route: "/v1/tasks/:name", method: "GET", status: 200), seconds: 100)
        let job = JobStatus(
            name: "shop", version: 2, state: .updating, reason: nil, wanted: 3, ready: 2, updated: 1, batch: nil, batches: nil,
            replicas: [], spec: JobSpec(name: "shop", task: TaskRequest(image: "//web:app")))
        return MetricsSnapshot(
            agent: AgentStatus(version: "1", pid: 1, pool: "/pool"), process: .current(), host: host, cpuTime: 12.5, pool: pool,
            tasks: tasks, jobs: [job], events: [.init(kind: .task, what: "out of memory"): 2], requests: requests.totals)
    }

    private func lines(_ snapshot: MetricsSnapshot) -> [String] {
        String(decoding: snapshot.text(), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func theDocumentedTableIsWhatIsScraped() throws {
        let document = try Files.readText(
            "\(#filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" })/docs/metrics.md")
        var documented: [String: String] = [:]
        for match in document.matches(of: /(?m)^\| `([a-z_]+)` \| ([a-z]+) \|([^|]*)\|/) {
            let labels = match.3.matches(of: /`([a-z]+)`/).map { String($0.1) }.sorted()
            documented[String(match.1)] = "\(match.2) \(labels)"
        }
        var scraped: [String: String] = [:]
        var types: [String: String] = [:]
        for line in lines(try everything()) {
            if let match = line.wholeMatch(of: /# TYPE (\S+) (\S+)/) {
                types[String(match.1)] = String(match.2)
            } else if let match = line.wholeMatch(of: /([a-z_]+)(?:\{(.*)\})? \S+/) {
                var name = String(match.1)
                for suffix in ["_bucket", "_sum", "_count"] where types[name] == nil && name.hasSuffix(suffix) {
                    name.removeLast(suffix.count)
                }
                let labels = (match.2 ?? "").matches(of: /([a-z]+)="/).map { String($0.1) }.filter { $0 != "le" }.sorted()
                scraped[name] = "\(types[name] ?? "none") \(labels)"
            }
        }
        #expect(scraped.count > 60)
        for (name, found) in scraped { #expect(documented[name] == found, "\(name)") }
        for name in documented.keys where scraped[name] == nil { Issue.record("\(name) is documented and not scraped") }
    }

    @Test func valuesAreInBaseUnitsAndWholeNumbersStayWhole() throws {
        let lines = lines(try everything())
        for expected in [
            "dish_task_cpu_seconds_total{task=\"web\"} 2.5", "dish_task_cpu_limit_cores{task=\"web\"} 1.5",
            "dish_task_memory_bytes{task=\"web\"} 9007199254740993", "dish_host_cpu_cores 2.0",
            "dish_task_pressure_stalled_seconds_total{task=\"web\",resource=\"io\",kind=\"full\"} 1.5",
            "dish_pool_device_errors_total{device=\"/dev/sda\",number=\"1\",kind=\"write\"} 3",
            "dish_tasks{state=\"running\"} 1", "dish_tasks{state=\"failed\"} 0",
            "dish_events_total{kind=\"task\",what=\"out of memory\"} 2", "dish_job_state{job=\"shop\",state=\"updating\"} 1",
            "dish_api_request_duration_seconds_bucket{route=\"/v1/tasks/:name\",le=\"0.005\"} 1",
            "dish_api_request_duration_seconds_bucket{route=\"/v1/tasks/:name\",le=\"+Inf\"} 2",
            "dish_api_request_duration_seconds_count{route=\"/v1/tasks/:name\"} 2",
        ] { #expect(lines.contains(expected), "\(expected)") }
    }

    @Test func whatIsNotKnownHasNoSample() throws {
        var snapshot = try everything()
        snapshot.tasks[0].usage?.memory = nil
        (snapshot.pool, snapshot.cpuTime) = (nil, nil)
        let text = String(decoding: snapshot.text(), as: UTF8.self)
        for name in ["dish_task_memory_bytes", "dish_pool_", "dish_layers", "dish_host_cpu_seconds_total"] {
            #expect(!text.contains(name), "\(name)")
        }
        #expect(text.contains("dish_task_cpu_seconds_total"))
    }

    @Test func anyNameStaysOneLabelOfOneLine() throws {
        let text = String(decoding: try everything(Self.hostile, image: Self.hostile).text(), as: UTF8.self)
        let escaped = #"a\"b\\c\nd"# + "\r" + #"\ne{f}<script>alert(1)</script>,🦊="# + "\u{202E}"
        let wanted = Array("dish_task_cpu_seconds_total{task=\"\(escaped)\"} 2.5".utf8)
        #expect(text.utf8.split(separator: UInt8(ascii: "\n")).contains { Array($0) == wanted })
        #expect(
            text.utf8.split(separator: UInt8(ascii: "\n")).allSatisfy {
                $0.starts(with: "# ".utf8) || $0.starts(with: "dish_".utf8) || $0.starts(with: "process_".utf8)
            })
    }

    /// Prometheus' own parser and its rules for names.
    @Test(
        .enabled("promtool is missing: Debian's package prometheus") { Executable.find("promtool") != nil || getenv("CI") != nil }
    )
    func promtoolHasNothingToSay() async throws {
        let promtool = try #require(Executable.find("promtool"), "install Debian's package prometheus")
        var check = Command(promtool, ["check", "metrics"])
        check.input = try everything(Self.hostile, image: Self.hostile, tasks: 300).text()
        let result = try await check.run()
        #expect(result.status.isSuccess && result.text.isEmpty && result.errorText.isEmpty, "\(result.text)\(result.errorText)")
    }
}
