import AgentAPI
import Layers
import Spec
import Testing

@testable import Agent

/// An agent that is killed between a change and its event: the next one knows which event is missing.
@Suite struct MissingEventsTests {
    private static func event(
        _ sequence: UInt64, _ kind: AgentEvent.Kind, _ name: String, _ what: String, id: String? = nil, at second: Int64 = 100
    ) -> AgentEvent {
        AgentEvent(sequence: sequence, time: second * 1000 + 5, kind: kind, name: name, id: id, what: what, reason: "")
    }

    private static func task(_ id: String, created: Int64) -> TaskIntent {
        TaskIntent(
            id: id, name: "web", request: TaskRequest(image: "i"), layer: LayerID(String(repeating: "a", count: 64))!, pool: "/p",
            created: created, quotaGroup: nil, userBase: nil, machineID: "", notEnforced: [])
    }

    @Test func tasksThatWereMadeOrRemoved() {
        let log = [
            Self.event(1, .task, "web", "created", id: "1"), Self.event(2, .task, "web", "removed", id: "1"),
            Self.event(3, .task, "web", "created", id: "2"), Self.event(4, .task, "web", "running", id: "2"),
            Self.event(5, .task, "web", "created", id: "3"), Self.event(6, .task, "web", "refused", id: "3"),
            Self.event(7, .task, "web", "created", id: "4"),
        ]
        let there = [Self.task("2", created: 50), Self.task("5", created: 50)]
        #expect(
            MissingEvents(log).tasks(there, damaged: []) == [
                .init(name: "web", id: "5", what: "created"), .init(name: "web", id: "4", what: "removed"),
            ])
        #expect(MissingEvents(log).tasks(there, damaged: ["4"]).map(\.what) == ["created"])
        // The log of before is gone: who knows whether that was in it.
        let cut = log.dropFirst(4).map(\.self)
        #expect(MissingEvents(cut).tasks(there, damaged: ["4"]).isEmpty)
        #expect(MissingEvents(cut).tasks([Self.task("6", created: 101)], damaged: ["4"]).map(\.id) == ["6"])
    }

    private static func job(_ number: Int, created: Int64, rollbackOf: Int? = nil) -> Job {
        Job(
            first: JobVersion(
                number: number, spec: JobSpec(name: "web", task: TaskRequest(image: "i")), layer: "1", created: created,
                reason: "",
                rollbackOf: rollbackOf))
    }

    @Test func jobsThatWereChanged() {
        func missing(_ last: String?, _ job: Job?, at second: Int64 = 100) -> [String] {
            let log =
                [Self.event(1, .agent, "dishd", "started")] + (last.map { [Self.event(2, .job, "web", $0, at: second)] } ?? [])
            return MissingEvents(log).jobs(job.map { [$0] } ?? [], damaged: []).map(\.what)
        }
        let (made, changed, back) = (
            Self.job(1, created: 100), Self.job(2, created: 101), Self.job(3, created: 101, rollbackOf: 1)
        )
        var (stopped, removed) = (made, made)
        stopped.isStopped = true
        removed.isRemoved = true
        for last in ["created", "changed", "started", "rolled back"] {
            #expect(missing(last, made).isEmpty)
            #expect(missing(last, stopped) == ["stopped"] && missing(last, removed) == ["removed"])
            #expect(missing(last, changed) == ["changed"] && missing(last, back) == ["rolled back"])
            #expect(missing(last, nil) == ["removed"])
        }
        #expect(missing("stopped", stopped).isEmpty && missing("stopped", made) == ["started"])
        #expect(missing("stopped", nil) == ["removed"])
        #expect(missing("removed", removed).isEmpty && missing("removed", nil).isEmpty && missing("removed", made) == ["created"])
        #expect(missing(nil, made) == ["created"] && missing(nil, nil).isEmpty)
        #expect(missing("damaged", nil).isEmpty && missing("damaged", made) == ["created"])
    }

    @Test func secretsAndTheDrain() {
        let log = [
            Self.event(1, .secret, "a", "kept"), Self.event(2, .secret, "b", "kept"), Self.event(3, .secret, "c", "removed"),
        ]
        func secret(_ name: String, _ changed: Int64) -> SecretStatus {
            SecretStatus(name: name, size: 1, changed: changed, usedBy: [])
        }
        let missing = MissingEvents(log)
        #expect(missing.secrets([secret("a", 100), secret("b", 100)]).isEmpty)
        #expect(
            missing.secrets([secret("a", 101), secret("c", 90), secret("d", 1)]).map { "\($0.name) \($0.what)" } == [
                "a kept", "c kept", "d kept", "b removed",
            ])
        #expect(missing.drain(since: nil) == nil && missing.drain(since: 100) == "draining")
        let drained = MissingEvents(log + [Self.event(4, .host, "h", "draining")])
        #expect(drained.drain(since: 100) == nil && drained.drain(since: nil) == "undrained")
    }
}
