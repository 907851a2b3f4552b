import AgentAPI
import Fixtures
import Glibc
import Layers
import Linux
import Logging
import Networks
import OCI
import Runtime
import Spec
import Synchronization
import Testing

@testable import Agent

/// The package manager and the job manager by themselves, with what registries and disks seldom do.
@Suite(.requiresRoot, .serialized)
struct PackagePullTests {
    private struct Away: Error {}

    /// Calls with an agent's settings and a pool of its own.
    private func withAgent(_ body: (AgentConfiguration, TaskManager) async throws -> Void) async throws {
        let folder = try Scratch.make("pulls")
        let path = "\(folder)/pool"
        let pool = try PoolRegistry(stateDirectory: folder).create(path, on: .file("\(path).img"), size: 600 << 20)
        defer {
            try? Mounts.unmount(path, flags: CInt(MNT_DETACH))
            unlink("\(path).img")
        }
        let subnet = try #require(IPv4Subnet("10.77.0.0/24"))
        let configuration = try AgentConfiguration(
            pool: pool, stateDirectory: folder, runtimeDirectory: "/run/x", network: TaskNetwork(bridge: "none", subnet: subnet),
            helper: "/none")
        try await body(configuration, TaskManager(configuration, runtime: Nspawn(), logger: Logger(label: "test")))
    }

    private func manager(
        _ configuration: AgentConfiguration, _ tasks: TaskManager, _ fetch: @escaping @Sendable (String) async throws -> LayerID
    ) -> PackageManager {
        PackageManager(configuration, events: tasks.events, logger: Logger(label: "test")) { reference, _, _ in
            try await fetch("\(reference)")
        }
    }

    private func waitUntil(_ condition: () async -> Bool) async throws {
        for _ in 0..<1000 {
            if await condition() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw FixtureError("it never came to that")
    }

    private let layer = LayerID(String(repeating: "ab", count: 32))!

    @Test func whatSomebodyEndedIsNotFetchedAndWhatCameNeverthelessIsKnown() async throws {
        try await withAgent { configuration, tasks in
            var configuration = configuration
            configuration.packages.pulls = 1
            let layer = layer
            let fetched = Mutex<[String]>([])
            let isOpen = Mutex(false)
            let images = manager(configuration, tasks) { name in
                fetched.withLock { $0.append(name) }
                // Whatever becomes of whoever asked for it.
                while !isOpen.withLock({ $0 }) { try? await ChangeSignal().wait(until: .now + .milliseconds(10)) }
                return layer
            }
            let (first, second) = ("r.example/a:1", "r.example/b:1")
            try await images.prepull(PackageRequest(references: [first]))
            try await waitUntil { fetched.withLock { $0 } == [first] }
            try await images.prepull(PackageRequest(references: [second]))
            try await images.forget(second)
            try await images.forget(first)
            // Time to do what is wrong.
            try await Task.sleep(for: .milliseconds(300))
            isOpen.withLock { $0 = true }
            try await waitUntil { await !images.status().packages.isEmpty }
            let known = await images.status().packages
            #expect(known.map(\.reference) == [first] && known.first?.state == .present && known.first?.layer == layer.hex)
            #expect(fetched.withLock { $0 } == [first])
        }
    }

    @Test func whoAsksWhileAnAttemptIsUnderWayIsToldOfItsEnd() async throws {
        try await withAgent { configuration, tasks in
            let count = Mutex(0)
            let isOpen = Mutex(false)
            let images = manager(configuration, tasks) { _ in
                count.withLock { $0 += 1 }
                while !isOpen.withLock({ $0 }) { try? await ChangeSignal().wait(until: .now + .milliseconds(10)) }
                throw Away()
            }
            let request = PackageRequest(references: ["r.example/a:1"])
            let first = Task { try await images.prepull(request, waits: true) }
            try await waitUntil { count.withLock { $0 } == 1 }
            let second = Task { try await images.prepull(request, waits: true) }
            try await waitUntil { await images.waiting.values.contains(2) }
            isOpen.withLock { $0 = true }
            await #expect(throws: AgentError.self) { try await first.value }
            await #expect(throws: AgentError.self) { try await second.value }
            #expect(count.withLock { $0 } == 1)
            try await images.forget("r.example/a:1")
        }
    }

    @Test func aPullThatBeginsAnewFailsForWhoeverWaitsWithItsFirstAttempt() async throws {
        try await withAgent { configuration, tasks in
            let layer = layer
            let count = Mutex(0)
            let images = manager(configuration, tasks) { _ in
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                switch number {
                case 1, 3: throw Away()
                case 2: throw OCIError(.unsupported, "for other machines")
                default: return layer
                }
            }
            for number in 1...3 {
                await #expect(throws: AgentError.self) {
                    try await images.prepull(PackageRequest(references: ["r.example/a:1"]), waits: true)
                }
                #expect(count.withLock { $0 } == number)
            }
            try await images.forget("r.example/a:1")
        }
    }

    @Test func whatCameWhileItWasLookedWhatIsLeftStaysKnown() throws {
        var content = PackageStore.Content()
        for name in ["gone", "left"] {
            content.packages[name] = .init(layer: LayerID(String(repeating: name == "left" ? "a" : "b", count: 64)))
        }
        content.packages["wanted"] = .init(isWanted: true)
        content.uses = [String(repeating: "a", count: 64): 1, String(repeating: "b", count: 64): 1]
        let before = content
        content.packages["new"] = .init(layer: layer)
        content.uses[layer.hex] = 2
        content.forget(allBut: [String(repeating: "a", count: 64)], since: before)
        #expect(Set(content.packages.keys) == ["left", "wanted", "new"])
        #expect(Set(content.uses.keys) == [String(repeating: "a", count: 64), layer.hex])
    }

    @Test func aJobThatCannotBeKeptIsWhatItWasWithAllThatHasBegun() async throws {
        try await withAgent { configuration, tasks in
            let jobs = jobs(configuration, tasks)
            func version(_ number: Int) -> JobVersion {
                JobVersion(
                    number: number, spec: JobSpec(name: "web", task: TaskRequest(image: "i")), layer: layer.hex, created: 0,
                    reason: "")
            }
            let before = Job(first: version(1))
            var after = before
            try after.add(version(2))
            await jobs.pretend(after, starting: [1: 1])
            await jobs.undo(after, before)
            #expect(await jobs.jobs["web"]?.job == before)
            #expect(await jobs.jobs["web"]?.starting == [1: 1])
            // Somebody else has applied another.
            var other = after
            try other.add(version(3))
            await jobs.pretend(other, starting: [:])
            await jobs.undo(after, before)
            #expect(await jobs.jobs["web"]?.job == other)
            // What has begun for a new one is ended.
            await jobs.pretend(before, starting: [1: 1])
            await jobs.undo(before, nil)
            #expect(await jobs.jobs["web"]?.job.isRemoved == true)
        }
    }

    /// Of images that can't be had.
    private func jobs(_ configuration: AgentConfiguration, _ tasks: TaskManager) -> JobManager {
        JobManager(
            configuration, tasks: tasks, packages: manager(configuration, tasks) { _ in throw Away() },
            logger: Logger(label: "test"))
    }

    @Test func aJobOfAVolumeThatIsNotThereIsRefusedBeforeAnythingOfItIsTouched() async throws {
        try await withAgent { configuration, tasks in
            let jobs = jobs(configuration, tasks)
            _ = try configuration.pool.createVolume("there", size: nil)
            var spec = JobSpec(name: "web", task: TaskRequest(image: "//none:none"))
            spec.task.volumes = ["there:/srv", "none:/data"]
            for isDry in [true, false] {
                let told = await #expect(throws: AgentError.self) { try await jobs.apply(spec, dryRun: isDry, because: "test") }
                #expect(told?.field == "task.volumes[1]" && told?.code == .notFound)
                #expect(told?.message.contains("there is no volume 'none'") == true)
            }
        }
    }

    @Test func aVersionWhosePortAnotherJobHasSinceIsNotGoneBackTo() async throws {
        try await withAgent { configuration, tasks in
            let jobs = jobs(configuration, tasks)
            try Files.makeDirectories("\(configuration.stateDirectory)/jobs")
            let layer = try configuration.pool.makeLayer(on: nil) { try Files.makeDirectories("\($0)/usr") }.hex
            let (first, second) = (try FreePort.tcp(), try FreePort.tcp())
            func version(_ number: Int, of name: String, _ port: UInt16) -> JobVersion {
                var spec = JobSpec(name: name, task: TaskRequest(image: "i"))
                spec.task.publish = ["\(port):80"]
                return JobVersion(number: number, spec: spec, layer: layer, created: 0, reason: "")
            }
            var job = Job(first: version(1, of: "a", first))
            try job.add(version(2, of: "a", second))
            await jobs.pretend(job, starting: [:])
            await jobs.pretend(Job(first: version(1, of: "b", first)), starting: [:])
            let told = await #expect(throws: AgentError.self) { try await jobs.rollBack("a", to: 1, because: "test") }
            #expect(told?.code == .conflict && told?.message.contains("in use by the job 'b'") == true)
            await jobs.pretend(Job(first: version(1, of: "b", second)), starting: [:])
            #expect(try await jobs.rollBack("a", to: 1, because: "test").version == 3)
        }
    }

    @Test func aStopThatSomebodyElseTakesBackIsNoneThatWasDone() async throws {
        try await withAgent { configuration, tasks in
            let jobs = jobs(configuration, tasks)
            try Files.makeDirectories("\(configuration.stateDirectory)/jobs")
            let spec = JobSpec(name: "web", task: TaskRequest(image: "i"))
            await jobs.pretend(
                Job(first: JobVersion(number: 1, spec: spec, layer: layer.hex, created: 0, reason: "")), starting: [1: 1])
            let stopping = Task { try await jobs.stop("web", because: "test") }
            try await waitUntil { await jobs.jobs["web"]?.job.isStopped == true }
            try await jobs.want("web")
            let told = await #expect(throws: AgentError.self) { try await stopping.value }
            #expect(told?.code == .conflict)
        }
    }
}

extension JobManager {
    fileprivate func pretend(_ job: Job, starting: [Int: Int]) {
        jobs[job.name] = Managed(job)
        jobs[job.name]?.starting = starting
    }
}
