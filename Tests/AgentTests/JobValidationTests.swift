import Fixtures
import AgentAPI
import FoundationEssentials
import Linux
import Spec
import Testing

@testable import Agent

/// Every fault of a job that comes over the API has one message, with the path of the field.
@Suite struct JobValidationTests {
    private static func other(_ name: String, _ change: (inout JobSpec) -> Void = { _ in }) -> JobSpec {
        var spec = JobSpec(name: name, task: TaskRequest(image: "i"))
        change(&spec)
        return spec
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        let change: @Sendable (inout JobSpec) -> Void
        let message: String

        init(_ message: String, _ change: @escaping @Sendable (inout JobSpec) -> Void) {
            self.change = change
            self.message = message
        }

        var testDescription: String { message }
    }

    static let faults: [Fault] = [
        Fault("replicas: must be a whole number from 0 to 1000") { $0.replicas = -1 },
        Fault("stopTimeout: must be a time from 0s to 24h") { $0.stopTimeout = 100_000 },
        Fault("drain: must be a time from 0s to 24h") { $0.drain = -2 },
        Fault("update.batch: must be a whole number from 1 to 1000") { $0.update.batch = 0 },
        Fault("update.deadline: must be a time from 1s to 24h") { $0.update.deadline = 0 },
        Fault("update.pause: must be a time from 0s to 24h") { $0.update.pause = -1 },
        Fault("update.minReady: must be a time from 0s to 24h") { $0.update.minReady = -1 },
        Fault("stopWithoutScheduler: must be a time from 1s to 8760h") { $0.stopWithoutScheduler = 0 },
        Fault("task.image: must have 1 to 1000 characters, not 0") { $0.task.image = "" },
        Fault("task.name: is the agent's to give: replicas are called web-1, web-2, …") { $0.task.name = "x" },
        Fault("task.owner: is the agent's to give") { $0.task.owner = TaskOwner(job: "web", version: 1, replica: 0) },
        Fault("task.pool: can't be chosen: replicas run on the agent's pool") { $0.task.pool = "/p" },
        Fault("task.terminal: is nothing for a replica, which nobody sits in front of; leave it out") { $0.task.terminal = true },
        Fault("task.command: can't be empty; leave it out") { $0.task.command = [] },
        Fault("task.environment.A=: 'A=' can't be a variable's name") { $0.task.environment = ["A=": ""] },
        Fault("task.stopSignal: must be a signal like SIGTERM, not 'SIGNAL'") { $0.task.stopSignal = "SIGNAL" },
        Fault("task.publish: only a private network has ports to publish, not 'host'") {
            $0.task.network = .host
            $0.task.publish = ["80:80"]
        },
        Fault("task.publish[1]: 127.0.0.1:80:81 wants the same port of the host as another") {
            $0.task.publish = ["80:80", "127.0.0.1:80:81"]
        },
        Fault("task.publish[0]: port 9000 is in use by the job 'other'") { $0.task.publish = ["9000:80"] },
        Fault("dependsOn[0].job: the job depends on itself") { $0.dependsOn = [.init(job: "web")] },
        Fault("dependsOn[0].job: there is no job 'none'; apply it first") { $0.dependsOn = [.init(job: "none")] },
        Fault("dependsOn[0].job: the jobs wait for each other: web -> other -> web") { $0.dependsOn = [.init(job: "other")] },
    ]

    @Test(arguments: faults) func aFaultIsNamedByItsPath(_ fault: Fault) {
        var spec = Self.other("web")
        fault.change(&spec)
        let others = [
            Self.other("other") {
                $0.task.publish = ["9000:1"]
                $0.dependsOn = [.init(job: "web")]
            }
        ]
        let error = #expect(throws: AgentError.self) { try JobValidation(spec: spec, others: others).check() }
        #expect(error?.message == "job 'web': \(fault.message)")
    }

    @Test(arguments: ["", "-a", "a_b", "a/../b", String(repeating: "a", count: 57)])
    func aNameThatIsNoneIsRefused(_ name: String) {
        #expect(throws: AgentError.self) { try JobValidation(spec: Self.other(name), others: []).check() }
    }

    @Test func whatIsNotEvenAJobSaysWhichFieldIsWrong() {
        for (json, sentence) in [
            (#"{"name": "a"}"#, "task: it is missing"), (#"{"name": "a", "task": {}}"#, "task.image: it is missing"),
            (
                #"{"name": "a", "task": {"image": "i", "health": [{"tcp": 1, "unit": "u"}]}}"#,
                "task.health[0]: needs exactly one of command, http, tcp, unit"
            ),
        ] {
            let error = #expect(throws: DecodingError.self) { try JSONDecoder().decode(JobSpec.self, from: Data(json.utf8)) }
            #expect(error?.sentence == sentence)
        }
    }

    @Test func differencesAreNamedByTheirPaths() throws {
        let version = JobVersion(number: 1, spec: Self.other("web"), layer: "aaaabbbbcccc", created: 0, reason: "")
        var next = version.spec
        next.replicas = 3
        next.task.environment = ["A": "b"]
        next.task.publish = ["80:80"]
        let fields = try JobDifference.fields(from: version, to: next, layer: "ddddeeeeffff")
        #expect(
            fields.map { "\($0.path) \($0.from ?? "-") \($0.to ?? "-")" } == [
                "replicas 1 3", "task.environment.A - b", "task.publish[0] - 80:80", "layer aaaabbbbcccc ddddeeeeffff",
            ])
        #expect(try JobDifference.fields(from: version, to: version.spec, layer: version.layer) == [])
    }

    @Test func aHistoryKeepsItsLastVersionsAndTheOneToGoBackTo() throws {
        var first = JobVersion(number: 1, spec: Self.other("web"), layer: "l", created: 0, reason: "")
        first.outcome = .healthy
        var job = Job(first: first)
        for number in 2...40 {
            var version = JobVersion(number: number, spec: first.spec, layer: "l\(number)", created: 0, reason: "")
            version.outcome = .failed
            try job.add(version)
        }
        #expect(job.versions.count == Job.historyLimit && job.fallback?.number == 1 && job.target.number == 40)
        #expect(job.versions.map(\.number).dropFirst() == ArraySlice(22...40))
    }
}
