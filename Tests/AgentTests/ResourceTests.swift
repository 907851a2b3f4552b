import AgentAPI
import FoundationEssentials
import Testing

@testable import Agent
import Spec

@Suite struct ResourceTests {
    private let gibibyte: UInt64 = 1 << 30

    private func request(
        _ taskClass: TaskClass = .burstable, _ limits: Limits = .init()
    ) -> TaskRequest {
        var request = TaskRequest(image: "//web:app")
        (request.class, request.limits) = (taskClass, limits)
        return request
    }

    private func ledger(_ tasks: [TaskRequest] = []) -> ResourceLedger {
        var policy = ResourcePolicy()
        (policy.reserveCPU, policy.reserveMemory) = (1000, gibibyte)
        return ResourceLedger(cpu: 4000, memory: 9 * gibibyte, policy: policy, claims: tasks.map { ResourceClaim($0) })
    }

    @Test func whatFitsExactlyIsAdmittedAndAByteMoreIsNot() throws {
        try ledger().admit(request(.guaranteed, .init(cpu: 3000, memory: 8 * gibibyte)))
        #expect(throws: AgentError.self) { try ledger().admit(request(.guaranteed, .init(cpu: 3000, memory: 8 * gibibyte + 1))) }
        #expect(throws: AgentError.self) { try ledger().admit(request(.guaranteed, .init(cpu: 3001, memory: gibibyte))) }
    }

    @Test func aRefusalSaysWhatIsNeededFreeAndTaken() {
        let full = ledger([request(.guaranteed, .init(cpu: 1000, memory: 6 * gibibyte))])
        do {
            try full.admit(request(.guaranteed, .init(cpu: 1000, memory: 3 * gibibyte)))
            Issue.record("it was admitted")
        } catch {
            #expect(error.code == .insufficient)
            for part in ["3072 MiB", "2048 MiB are free", "9216 MiB", "1024 MiB are the system's", "6144 MiB are set aside"] {
                #expect(error.message.contains(part), "\(part): \(error.message)")
            }
        }
    }

    @Test func burstableTasksSetTheirProtectionAsideAndMayOvercommitToARatio() throws {
        var protected = Limits(memory: 4 * gibibyte)
        (protected.memoryMin, protected.memoryLow) = (gibibyte, 2 * gibibyte)
        #expect(ResourceClaim(request(.burstable, protected)).memory == 2 * gibibyte)
        // Twice 8 GiB may be promised as limits.
        let four = (0..<3).map { _ in request(.burstable, .init(memory: 4 * gibibyte)) }
        try ledger(four).admit(request(.burstable, .init(memory: 4 * gibibyte)))
        #expect(throws: AgentError.self) { try ledger(four).admit(request(.burstable, .init(memory: 5 * gibibyte))) }
        // Without a limit there is nothing to add up, and CPUs are shared by weight.
        try ledger(four).admit(request(.burstable, .init(cpu: 400_000)))
    }

    @Test func bestEffortTasksSetNothingAsideAndAreAlwaysAdmitted() throws {
        let full = ledger([request(.guaranteed, .init(cpu: 3000, memory: 8 * gibibyte))])
        try full.admit(request(.bestEffort, .init(cpu: 9000, memory: 100 * gibibyte)))
        #expect(ResourceClaim(request(.bestEffort, .init(memory: gibibyte))).committedMemory == 0)
    }

    @Test func hugeNumbersDoNotOverflow() {
        let full = ledger([
            request(.guaranteed, .init(cpu: .max, memory: .max)), request(.guaranteed, .init(cpu: .max, memory: .max)),
        ])
        #expect(throws: AgentError.self) { try full.admit(request(.guaranteed, .init(cpu: 1, memory: .max))) }
        #expect(throws: AgentError.self) { try ledger().admit(request(.burstable, .init(memory: .max))) }
    }

    @Test func theSystemKeepsATenthWithinBounds() {
        let policy = ResourcePolicy()
        #expect(policy.systemMemory(of: 100 * gibibyte) == 4 * gibibyte)
        #expect(policy.systemMemory(of: 10 * gibibyte) == gibibyte)
        #expect(policy.systemMemory(of: gibibyte) == 256 << 20)
        #expect(policy.systemMemory(of: 256 << 20) == 128 << 20)
        #expect(policy.systemCPU(of: 1000) == 100 && policy.systemCPU(of: 64000) == 3200)
    }

    @Test func limitsThatContradictEachOtherAreNamed() throws {
        var limits = Limits(memory: 100 << 20)
        (limits.memoryMin, limits.memoryLow, limits.memoryHigh) = (10 << 20, 20 << 20, 50 << 20)
        try check(request(.burstable, limits))
        for (path, option) in [
            (\Limits.memoryMin, "limits.memoryMin"), (\.memoryLow, "limits.memoryLow"), (\.memoryHigh, "limits.memoryHigh"),
        ] {
            var wrong = limits
            wrong[keyPath: path] = 200 << 20
            expectRefusal(request(.burstable, wrong), option)
        }
        // Those between may be left out.
        var two = Limits(memory: 1 << 20)
        two.memoryMin = 2 << 20
        expectRefusal(request(.burstable, two), "limits.memoryMin: can't be 2M, which is more than the memory of 1M")
    }

    @Test func limitsThatMakeNoSenseAreRefused() {
        func with(_ change: (inout Limits) -> Void) -> TaskRequest {
            var limits = Limits()
            change(&limits)
            return request(.burstable, limits)
        }
        expectRefusal(with { $0.cpu = 0 }, "limits.cpu:")
        expectRefusal(with { $0.cpuWeight = 0 }, "limits.cpuWeight:")
        expectRefusal(with { $0.ioWeight = 10_001 }, "limits.ioWeight:")
        expectRefusal(with { $0.ioWriteBps = 0 }, "limits.ioWriteBps:")
        expectRefusal(with { $0.pids = 0 }, "limits.pids:")
        expectRefusal(with { $0.memory = 1000 }, "limits.memory:")
        expectRefusal(with { $0.cpuset = "1-" }, "limits.cpuset:")
        expectRefusal(with { $0.cpuset = "0,7" }, "no CPU 7")
        expectRefusal(request(.guaranteed, .init(memory: 1 << 30)), "limits.cpu:")
        expectRefusal(request(.guaranteed), "limits.cpu:")
        var protected = Limits()
        protected.memoryLow = 1 << 20
        expectRefusal(request(.bestEffort, protected), "limits.memoryLow:")
    }

    @Test func aChangeKeepsWhatItDoesNotMention() throws {
        var limits = Limits(cpu: 500, memory: 1 << 30, disk: 5, pids: 6)
        var new = Limits()
        new.memory = 2 << 30
        try limits.apply(new, lifting: ["cpu", "cpuset"])
        #expect(limits == .init(memory: 2 << 30, disk: 5, pids: 6))
        #expect(throws: FieldFault.self) { try limits.apply(Limits(), lifting: ["ram"]) }
        #expect(throws: FieldFault.self) { try limits.apply(new, lifting: ["memory"]) }
        let read = try JSONDecoder().decode(LimitsChange.self, from: Data(#"{"limits": {"cpu": 1}}"#.utf8))
        #expect(read == LimitsChange(limits: .init(cpu: 1)))
    }

    @Test func aLimitThatIsReachedIsToldOnce() {
        var usage = TaskUsage(id: "1", name: "web", class: .burstable, limits: .init(cpu: 500, memory: 1 << 30, pids: 64), at: 0)
        var watch = LimitWatch(nil)
        #expect(watch.look(usage) == [])
        usage.pids = .init(current: 64, refused: 3)
        usage.disk = .init(used: 100 << 20, limit: 100 << 20)
        let told = watch.look(usage)
        #expect(told.count == 2 && told[0].contains("64 processes: 3 were refused") && told[1].contains("disk is full"))
        usage.pids = .init(current: 64, refused: 300)
        #expect(watch.look(usage) == [])
        // What an agent finds at its start is no news.
        var later = LimitWatch(usage)
        #expect(later.look(usage) == [])
    }

    private func check(_ request: TaskRequest) throws { try LimitsCheck(request).run(cpus: [0, 1]) }

    private func expectRefusal(_ request: TaskRequest, _ part: String, _ location: SourceLocation = #_sourceLocation) {
        do {
            try check(request)
            Issue.record("\(request.limits) was taken", sourceLocation: location)
        } catch let error as AgentError {
            #expect(error.code == .invalid && error.message.contains(part), "\(error.message)", sourceLocation: location)
        } catch {
            Issue.record("\(error)", sourceLocation: location)
        }
    }
}
