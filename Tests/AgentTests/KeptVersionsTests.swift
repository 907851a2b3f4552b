import AgentAPI
import Spec
import Testing

@testable import Agent

@Suite struct KeptVersionsTests {
    private func version(_ number: Int, _ outcome: JobVersion.Outcome) -> JobVersion {
        var spec = JobSpec(name: "web", task: TaskRequest(image: "i"))
        spec.task.environment = ["N": "\(number)"]
        var version = JobVersion(number: number, spec: spec, layer: "\(number)", created: 0, reason: "applied")
        version.outcome = outcome
        return version
    }

    @Test func theLastVersionsAndTheOneToGoBackToAreKept() throws {
        var job = Job(first: version(1, .healthy))
        for number in 2...9 { try job.add(version(number, .failed)) }
        #expect(job.keptVersions(2).map(\.number).sorted() == [1, 7, 8, 9])
        #expect(job.keptVersions(0).map(\.number).sorted() == [1, 9])
        #expect(job.keptVersions(50).map(\.number).sorted() == Array(1...9))
    }
}
