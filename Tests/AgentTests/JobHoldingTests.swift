import AgentAPI
import Spec
import Testing

@testable import Agent

@Suite struct JobHoldingTests {
    @Test func aJobThatIsHeldWantsNoReplicasAndIsStillWanted() {
        var spec = JobSpec(name: "web", task: TaskRequest(image: "i"))
        spec.replicas = 3
        var job = Job(first: JobVersion(number: 1, spec: spec, layer: "1", created: 0, reason: "applied"))
        #expect(job.wanted == 3)
        job.held = "the host is drained"
        #expect(job.wanted == 0 && job.goal(isBlocked: false, minReady: 5).replicas == 0 && job.spec.replicas == 3)
    }

    @Test func whatWasAskedForIsKnownAfterTheAgentWentBackFromIt() throws {
        func version(_ number: Int, _ replicas: Int, isAutomatic: Bool = false) -> JobVersion {
            var spec = JobSpec(name: "web", task: TaskRequest(image: "i"))
            spec.replicas = replicas
            return JobVersion(number: number, spec: spec, layer: "1", created: 0, reason: "", isAutomatic: isAutomatic)
        }
        var job = Job(first: version(1, 1))
        try job.add(version(2, 2))
        try job.add(version(3, 1, isAutomatic: true))
        #expect(job.requested.replicas == 2 && job.spec.replicas == 1)
    }

    @Test func whatIsDecidedOfAVersionIsNoOthersAndNoneIsAddedBesideAnother() throws {
        func version(_ number: Int) -> JobVersion {
            JobVersion(
                number: number, spec: JobSpec(name: "web", task: TaskRequest(image: "\(number)")), layer: "1", created: 0,
                reason: "")
        }
        var job = Job(first: version(1))
        try job.add(version(2))
        job.judge(.failed, "not ready", of: 1)
        #expect(job.target.outcome == .pending && job.version(1)?.outcome == .failed)
        let told = #expect(throws: AgentError.self) { try job.add(version(2)) }
        #expect(told?.code == .conflict && job.versions.count == 2)
    }
}
