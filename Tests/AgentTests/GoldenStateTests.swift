import AgentAPI
import Fixtures
import FoundationEssentials
import Layers
import Linux
import Logging
import Spec
import TaskHelper
import Testing

@testable import Agent

/// The state of an agent of version 0.1.0 at its first publication, as it lay on the disk with running, stopped and failing tasks, jobs,
/// an operation, a drained host and a scheduler elsewhere. What an agent has written, all later ones read.
@Suite struct GoldenStateTests {
    private let golden = "\(Programs.repository)/Tests/AgentTests/Golden"

    private func intent(_ id: String) throws -> TaskIntent {
        try StateFile.read(TaskIntent.self, "\(golden)/tasks/\(id)/task.json")
    }

    @Test func aTaskWithEverySetting() throws {
        let task = try intent("999c85fa080d")
        let request = task.request
        #expect(task.name == "all" && task.layer.hex.hasPrefix("a238411b1094") && task.userBase != nil && task.quotaGroup != nil)
        #expect(task.volumes == ["data:/data"] && request.volumes == ["data:/data"])
        #expect(task.ports == ["127.0.0.1:18080:80"] && task.networkAddress?.description == task.address)
        #expect(task.credentials?.map(\.name) == ["db"])
        #expect(request.limits.memory == 64 << 20 && request.limits.memoryMin == 1 << 20 && request.limits.memoryLow == 2 << 20)
        #expect(request.limits.cpu == 500 && request.limits.cpuWeight == 50 && request.limits.pids == 100)
        #expect(request.limits.disk == 100 << 20 && request.bestEffort && task.notEnforced.count == 6)
        #expect(request.restart.mode == .onFailure && request.restart.backoff == 2 && request.restart.longestBackoff == 300)
        #expect(request.environment == ["A": "b"] && request.user == "0" && request.command == ["/bin/sleep", "99999"])
        let running = try #require(TaskRecovery(directory: "\(golden)/tasks/999c85fa080d").running)
        #expect(running.boot == task.boot && running.leader != nil && running.cgroups.count == 1)
    }

    @Test func theRunOfATaskThatWasStoppedAndOfOneThatWaits() throws {
        let stopped = try StateFile.read(TaskRun.self, "\(golden)/tasks/66d8702103bf/run.json")
        #expect(stopped.wish == .rest && stopped.generation == 2 && stopped.stop == 1)
        #expect(try intent("66d8702103bf").request.restart.mode == .always)
        #expect(TaskRecovery(directory: "\(golden)/tasks/66d8702103bf", generation: 2).exit?.status == .code(255))
        let waiting = try StateFile.read(TaskRun.self, "\(golden)/tasks/2302c6d247d4/run.json")
        #expect(waiting.wish == .run && waiting.generation == 3 && waiting.history.count == 3 && waiting.due != nil)
        #expect(waiting.reason == "it exited with 1")
    }

    @Test func jobsWithTheirVersions() throws {
        let web = try StateFile.read(Job.self, "\(golden)/jobs/web.json")
        #expect(web.versions.map(\.number) == [1, 2] && web.versions.map(\.outcome) == [.failed, .failed])
        let spec = web.spec
        #expect(spec.replicas == 2 && spec.update.batch == 1 && spec.update.deadline == 60 && spec.drain == 2)
        #expect(spec.task.restart.mode == .always && spec.task.restart.backoff == 2 && spec.task.restart.longestBackoff == 60)
        #expect(spec.task.secrets == ["db"] && spec.task.publish == ["127.0.0.1:18081:80"] && spec.task.limits.disk == 48 << 20)
        let check = try #require(spec.task.health.first)
        #expect(check.probe == .http(port: 80, path: "/x") && check.purpose == .readiness && check.interval == 1)
        let owner = try intent("ddb252611eab").request.owner
        #expect(owner?.job == "web" && owner?.version == 1)
        #expect(try StateFile.read(Job.self, "\(golden)/jobs/far.json").isAssigned == true)
    }

    @Test func whatAHostRemembers() throws {
        let store = SchedulerStore(stateDirectory: golden, runtimeDirectory: "/none")
        let memory = try store.memory()
        #expect(memory.epoch == 7 && memory.revision == 3 && memory.scheduler == "s1")
        #expect(memory.assignments?.map(\.name) == ["far"] && memory.assignments?.first?.stopWithoutScheduler == 600)
        let drain = try StateFile.read(DrainStatus.self, "\(golden)/drain.json")
        #expect(drain.reason == "new disk")
        let operation = try StateFile.read(OperationStatus.self, "\(golden)/operations/a5921d873a48.json")
        #expect(operation.kind == .taskStop && operation.state == .done && operation.target == "/v1/tasks/over")
        _ = try StateFile.read(PackageStore.Content.self, "\(golden)/packages.json")
    }

    /// What is read is written again without a loss.
    @Test func whatWasReadAndIsWrittenIsReadAlike() throws {
        for id in try Files.list("\(golden)/tasks") {
            let task = try intent(id)
            #expect(try JSONDecoder().decode(TaskIntent.self, from: StateFile.encode(task)) == task)
        }
        for name in ["web", "far"] {
            let job = try StateFile.read(Job.self, "\(golden)/jobs/\(name).json")
            let again = try JSONDecoder().decode(Job.self, from: StateFile.encode(job))
            #expect(again.versions.map(\.spec) == job.versions.map(\.spec))
        }
    }
}
