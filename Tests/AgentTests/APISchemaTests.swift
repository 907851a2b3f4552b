import Fixtures
import AgentAPI
import FoundationEssentials
import Testing

@testable import Agent
@testable import Btrfs
@testable import Layers
import Spec

/// What clients may send and what they are told is as the API's description says.
@Suite struct APISchemaTests {
    private func fault(_ object: APIObject, _ json: String) throws -> AgentError? {
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
        do {
            try APISchema.object(object).check(value)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        (#"{"image": "i", "limits": {"memory": "1G"}}"#, "limits.memory: must be a whole number, not text", "limits.memory"),
        (
            #"{"image": "i", "limits": {"memory": -1}}"#, "limits.memory: must be a size from 1M",
            "limits.memory"
        ),
        (#"{"image": "i", "limits": {"memory": 1e30}}"#, "limits.memory: must be a whole number, not a number", "limits.memory"),
        (
            #"{"image": "i", "health": [{"tcp": 1}, {"tcp": 0}]}"#, "health[1].tcp: must be a whole number from 1 to 65535",
            "health[1].tcp"
        ),
        (
            #"{"image": "i", "health": [{"tcp": 1, "unit": "u.service"}]}"#,
            "health[0]: needs exactly one of command, http, tcp, unit", "health[0]"
        ),
        (#"{"image": "i", "network": "bridge"}"#, "network: must be private, host or none", "network"),
        (#"{"image": "i\u0000"}"#, "image: can't have a NUL character in it", "image"),
        (#"{"image": "i", "environment": {"A": null}}"#, "environment.A: must be text, not null; leave it out", "environment.A"),
        (#"{"name": "a"}"#, "image: it is missing", "image"),
        (#"{"image": ""}"#, "image: must have 1 to 1000 characters, not 0", "image"),
    ])
    func aFaultIsNamedByItsPath(_ json: String, _ message: String, _ field: String) throws {
        let error = try #require(try fault(.taskRequest, json))
        #expect(error.message == message)
        #expect(error.field == field && error.code == .invalid)
    }

    @Test func anUnknownFieldIsRefusedWithThoseThereAre() throws {
        let error = try #require(try fault(.stopRequest, #"{"timeout": 1, "timeuot": 2}"#))
        #expect(error.message == "timeuot: there is no such field; there are timeout" && error.field == "timeuot")
    }

    @Test func aValueIsNeverRepeated() throws {
        let error = try #require(try fault(.taskRequest, #"{"image": "i", "secretValues": {"a": ["hunter2"]}}"#))
        #expect(!error.message.contains("hunter2"))
    }

    @Test func whatIsNoObjectIsNoBody() throws {
        for json in ["[]", "1", "null", "true", "\"a\""] {
            #expect(try fault(.taskRequest, json)?.message.hasPrefix("the request's body must be an object, not ") == true)
        }
    }

    /// Whatever a type of the API has is described, and nothing else.
    @Test func everyFieldOfEveryTypeIsDescribed() {
        func check(_ object: APIObject, _ value: Any) {
            let fields = Set(Mirror(reflecting: value).children.compactMap(\.label))
            let described = Set(object.fields.map(\.name))
            #expect(fields.subtracting(described) == [], "not described of \(object.name)")
            #expect(described.subtracting(fields) == [], "described of \(object.name), which hasn't got it")
        }
        let request = TaskRequest(image: "")
        check(.taskRequest, request)
        check(.limits, request.limits)
        check(.restartPolicy, request.restart)
        check(.taskOwner, TaskOwner(job: "", version: 0, replica: 0))
        check(.stopRequest, StopRequest(timeout: 0))
        check(.snapshotRequest, SnapshotRequest(name: nil))
        check(.snapshotStatus, TaskSnapshotStatus(name: "", created: 0, isAutomatic: false))
        check(.rollbackRequest, RollbackRequest(snapshot: nil, image: false, timeout: nil))
        check(.limitsChange, LimitsChange(limits: .init()))
        check(.error, AgentError(.failed, ""))
        check(.taskCapabilities, TaskCapabilities())
        check(.operationStatus, OperationStatus(id: "", kind: .taskStop, target: "", by: "", isBackground: true, started: 0))
        check(.operationProgress, OperationStatus.Progress(done: 0, total: 0, unit: .bytes))
        check(.agentStatus, AgentStatus(version: "", pid: 0, pool: ""))
        check(.event, AgentEvent(sequence: 0, time: 0, kind: .agent, name: "", id: nil, what: "", reason: ""))
        check(.taskHealth, TaskHealth(started: true, live: true, ready: true))
        check(.taskExit, TaskStatus.Exit(code: nil, signal: nil, outOfMemory: false, at: 0))
        check(.taskProcesses, TaskStatus.Processes(helper: 0, runtime: nil, leader: nil))
        let paths = TaskStatus.Paths(root: "", log: "", helper: "", cgroups: [])
        check(.taskPaths, paths)
        check(
            .taskStatus,
            TaskStatus(
                id: "", name: "", image: "", layer: "", pool: "", state: .running, reason: nil, created: 0, exit: nil,
                processes: nil, address: nil, network: .none, publish: [], volumes: nil, command: nil, limits: .init(),
                notEnforced: [], userBase: nil, paths: paths))
        let spec = JobSpec(name: "", task: request)
        check(.jobSpec, spec)
        check(.jobUpdate, spec.update)
        check(.jobDependency, JobSpec.Dependency(job: ""))
        check(
            .jobReplica,
            JobStatus.Replica(
                name: "", version: 0, state: .running, isReady: true, isLeaving: false, reason: nil, id: nil, address: nil))
        check(
            .jobStatus,
            JobStatus(
                name: "", version: 0, state: .running, reason: nil, wanted: 0, ready: 0, updated: 0, batch: nil, batches: nil,
                replicas: [], spec: spec))
        check(.jobVersion, JobVersion(number: 0, spec: spec, layer: "", created: 0, reason: ""))
        check(.jobChange, JobChange(name: "", kind: .created, version: 0, fields: [], replacesReplicas: false))
        check(.jobChangeField, JobChange.Field(path: "", from: nil, to: nil))
        check(.secretRequest, SecretRequest(value: ""))
        check(.secretStatus, SecretStatus(name: "", size: 0, changed: 0, usedBy: []))
        check(.jobRollbackRequest, JobRollbackRequest(version: nil))
        let resource = HostCapacity.Resource(total: 0, system: 0, reserved: 0, committed: 0, used: nil)
        let host = HostCapacity(
            name: "", at: 0, cpu: resource, memory: resource, disk: nil, overcommit: 1, tasks: 0, pressure: .init(),
            unenforceable: [])
        check(.hostResource, resource)
        check(.hostCapacity, host)
        let scheduler = SchedulerStatus(name: "", state: .builtIn, epoch: 0, revision: 0, refusals: 0)
        check(.schedulerStatus, scheduler)
        check(.drainRequest, DrainRequest(reason: nil))
        check(.drainStatus, DrainStatus(since: 0, reason: ""))
        let full = PoolPressure(total: 0, used: 0, high: 0, low: 0, isFull: false, reason: nil)
        check(.poolPressure, full)
        check(.packageRequest, PackageRequest(references: []))
        check(.packageStatus, PackageStatus(reference: "", state: .queued))
        check(.packagesStatus, PackagesStatus(revision: 0, pool: full, packages: []))
        check(
            .heartbeat,
            HostHeartbeat(
                host: "", name: "", boot: "", agentStarted: 0, sequence: 0, at: 0, uptime: 0, capacity: host,
                pool: .init(path: "", pressure: full, isWritable: true)))
        check(.heartbeatPool, HostHeartbeat.Pool(path: "", pressure: full, isWritable: true))
        check(.heartbeatImage, HostHeartbeat.Image(layer: "", names: []))
        check(.heartbeatFailure, HostHeartbeat.Failure(job: "", reason: ""))
        check(.jobReplicas, JobReplicas(name: "", state: .running, reason: nil, version: 0, wanted: 0, ready: 0, updated: 0))
        check(.consoleLines, ConsoleLines(cursor: "", entries: []))
        check(.consoleEntry, ConsoleLines.Entry(time: "", errors: false, partial: false, text: ""))
        check(
            .poolMap,
            PoolMap(
                path: "", total: 0, available: 0, dataUsed: 0, metadataUsed: 0, quotas: true, layers: [], tasks: [], volumes: []))
        check(
            .poolMapLayer,
            PoolMap.Layer(id: "", parent: nil, label: "", names: [], created: 0, entries: 0, size: 0, own: nil))
        check(.poolMapOther, PoolMap.Other(kind: "", bytes: 0))
        check(.poolMapEntry, PoolMap.Entry(name: "", id: "", own: nil, limit: nil, layer: nil))
        let device = Device(id: 0, path: "", size: 0, allocated: 0, isMissing: true, isCut: false, errors: DeviceErrors())
        let balance = BalanceProgress(isRunning: true, expected: 0, considered: 0, completed: 0)
        let record = ScrubRecord(started: 0, ended: 0, outcome: .finished, by: "", found: ScrubProgress(), failure: nil)
        check(.device, device)
        check(.deviceErrors, device.errors)
        check(.allocation, Allocation(kind: .data, profile: .single, size: 0, used: 0))
        check(.poolSettings, PoolSettings())
        check(.scrubProgress, record.found)
        check(.scrubRecord, record)
        check(.scrubStatus, ScrubStatus(progress: record.found, expected: 0))
        check(.balanceProgress, balance)
        let summary = ChangeSummary([])
        check(.changeSummary, summary)
        check(.timelineMoment, TimelineMoment(TimelinePoint(name: "", kind: .now, created: nil)))
        check(.pathState, PathState(kind: "", size: 0, modified: 0))
        check(.treeChange, TreeChange(path: "", kind: .added, aspects: [], oldSize: nil, newSize: nil))
        check(.timelineChanges, TimelineChanges(from: "", to: "", summary: summary, changes: [], left: 0))
        check(.hostDisk, HostCapacity.Disk(total: 0, available: 0))
        check(.hostUsage, HostUsage(host: host, tasks: []))
        check(.pressure, host.pressure)
        let stall = ResourcePressure.Stall(average10: 0, average60: 0, average300: 0, total: 0)
        check(.stall, stall)
        check(.pressureOfResource, ResourcePressure.Resource(some: stall, full: nil))
        check(.taskUsage, TaskUsage(id: "", name: "", class: .burstable, limits: .init(), at: 0))
        check(.cpuUsage, TaskUsage.CPU(time: 0))
        check(.ioUsage, TaskUsage.IO(readBytes: 0, writtenBytes: 0, reads: 0, writes: 0))
        check(.processUsage, TaskUsage.Processes(current: 0, refused: 0))
        check(.diskUsage, TaskUsage.Disk(used: 0, limit: nil))
        check(
            .memoryUsage,
            TaskUsage.Memory(
                current: 0, peak: nil, anonymous: 0, file: 0, kernel: nil, swap: nil, highEvents: 0, maxEvents: 0, kills: 0))
    }

    @Test func whatAClientSendsByDefaultPasses() throws {
        for (object, value) in [
            (APIObject.taskRequest, try JSONEncoder().encode(TaskRequest(image: "i"))),
            (.jobSpec, try JSONEncoder().encode(JobSpec(name: "j", task: TaskRequest(image: "i")))),
            (.limitsChange, try JSONEncoder().encode(LimitsChange(limits: .init()))),
        ] {
            try APISchema.object(object).check(JSONDecoder().decode(JSONValue.self, from: value))
        }
    }

    @Test func parametersOfAQueryAreChecked() throws {
        let operation = try #require(APIDescription.operation("GET", at: "/v1/tasks/{name}/wait"))
        try operation.check(query: [("state", "running"), ("seconds", "0")])
        for (name, value) in [
            ("seconds", "x"), ("seconds", "-1"), ("seconds", "86401"), ("state", "walking"), ("sate", "running"),
        ] {
            let error = #expect(throws: AgentError.self) { try operation.check(query: [(name, value)]) }
            #expect(error?.field == "?\(name)")
        }
        #expect(throws: AgentError.self) { try operation.check(query: [("seconds", "1"), ("seconds", "2")]) }
    }

    @Test func methodsOfAPathAreKnown() {
        #expect(APIDescription.methods(at: "/v1/tasks/web") == ["DELETE", "GET"])
        #expect(APIDescription.methods(at: "/v1/tasks/web/none") == [])
    }

    @Test func aTagIsFoundInAList() {
        let tag = EntityTag(of: Array("a".utf8))
        #expect(tag.isIn(tag.text) && tag.isIn("\"x\" , \(tag.text)") && tag.isIn("*"))
        #expect(!tag.isIn("W/\(tag.text)") && !tag.isIn("\"x\""))
        #expect(throws: AgentError.self) { try Precondition(tags: "\"x\"").check("it", 1) }
        #expect(throws: Never.self) { try Precondition.none.check("it", 1) }
    }
}
