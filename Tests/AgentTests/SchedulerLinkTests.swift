import AgentAPI
import Spec
import Testing

@testable import Agent

@Suite struct SchedulerLinkTests {
    private func link(_ memory: SchedulerLink.Memory = .init(), contact: Int64? = nil, isBuiltIn: Bool = false) -> SchedulerLink {
        SchedulerLink(isBuiltIn: isBuiltIn, memory: memory, contact: contact, interval: 5000)
    }

    private func answer(
        _ epoch: UInt64, _ revision: UInt64 = 1, by scheduler: String = "a", to sequence: UInt64 = 1, jobs: [String]? = nil
    ) -> HeartbeatAnswer {
        HeartbeatAnswer(
            scheduler: scheduler, epoch: epoch, revision: revision, sequence: sequence,
            assignments: jobs?.map { JobSpec(name: $0, task: TaskRequest(image: "i")) })
    }

    @Test func anAnswerCountsFromWhenItsHeartbeatWasSent() {
        var link = link()
        #expect(link.isAway(0) && link.end(stopAfter: 10) == .min)
        let actions = link.handle(.answered(answer(1, jobs: ["web"]), sequence: 1, sent: 1000), at: 4000)
        #expect(actions == [.remember, .assign])
        #expect(link.contact == 1000 && !link.isAway(16_000) && link.isAway(16_001))
        #expect(link.end(stopAfter: 10) == 11_000 && link.end(stopAfter: nil) == nil)
    }

    @Test func theBuiltInOneIsNeverAway() {
        var link = link(isBuiltIn: true)
        #expect(link.handle(.failed("x"), at: 1_000_000) == [])
        #expect(!link.isAway(1_000_000) && link.end(stopAfter: 1) == nil)
    }

    @Test func aLowerEpochIsRefusedAndThatIsRemembered() {
        var link = link(.init(epoch: 7, revision: 3, scheduler: "b", refusals: 0, assignments: []), contact: 0)
        let actions = link.handle(.answered(answer(6, 9, jobs: ["web"]), sequence: 1, sent: 100), at: 200)
        #expect(actions.first == .remember && actions.count == 2)
        #expect(link.memory.refusals == 1 && link.memory.epoch == 7 && link.memory.assignments == [] && link.contact == 0)
        #expect(link.failure == "'a' has the epoch 6, and 'b' has had 7")
    }

    @Test func whatIsOlderOrAnotherSchedulersOrMeantForAnotherHeartbeatIsRefused() {
        let known = SchedulerLink.Memory(epoch: 7, revision: 3, scheduler: "a", refusals: 0, assignments: [])
        var other = answer(7, 3, jobs: [])
        other.format = 2
        for (wrong, reason) in [
            (answer(7, 2, jobs: ["web"]), "it knows revision 2 of what is assigned, and this host has had 3"),
            (answer(7, 4, by: "b", jobs: ["web"]), "'b' and 'a' both say that they have the epoch 7"),
            (answer(7, 4, to: 2, jobs: ["web"]), "it answered heartbeat 2 instead of 1"),
            (other, "its answer has the format 2, and this agent knows 1"),
        ] {
            var link = link(known, contact: 0)
            #expect(link.handle(.answered(wrong, sequence: 1, sent: 100), at: 200) == [])
            #expect(link.memory == known && link.contact == 0 && link.failure == reason)
        }
    }

    @Test func aNewSchedulerMustSayWhatIsAssignedBeforeItCounts() {
        var link = link(.init(epoch: 1, revision: 9, scheduler: "a", refusals: 0, assignments: []), contact: 0)
        _ = link.handle(.answered(answer(1, 9, jobs: []), sequence: 1, sent: 1000), at: 1000)
        #expect(link.contact == 1000 && !link.needsAssignments)
        #expect(link.handle(.answered(answer(2, 0, by: "b"), sequence: 1, sent: 2000), at: 2000) == [.remember])
        #expect(link.contact == 1000 && link.needsAssignments && link.memory.epoch == 2)
        #expect(
            link.handle(.answered(answer(2, 1, by: "b", jobs: ["x"]), sequence: 1, sent: 3000), at: 3000) == [.remember, .assign])
        #expect(link.contact == 3000 && !link.needsAssignments)
    }

    @Test func absenceAndReturnAreSaidOnce() {
        var link = link(contact: 0)
        _ = link.handle(.answered(answer(1, jobs: []), sequence: 1, sent: 0), at: 0)
        #expect(link.handle(.failed("no route"), at: 15_000) == [])
        #expect(link.handle(.failed("no route"), at: 15_001) == [.report(what: "scheduler away", reason: "no route")])
        #expect(link.handle(.failed("no route"), at: 20_000) == [] && link.needsAssignments)
        let back = link.handle(.answered(answer(1, jobs: []), sequence: 1, sent: 21_000), at: 21_000)
        #expect(back == [.report(what: "scheduler back", reason: "'a' answers, with the epoch 1"), .assign])
    }

    @Test func theSchedulerSetsThePaceWithinBounds() {
        for (asked, kept) in [(1, 1000), (0, 1000), (60, 60_000), (100_000, 300_000)] as [(Int, Int64)] {
            var link = link()
            var answer = answer(1, jobs: [])
            answer.interval = asked
            _ = link.handle(.answered(answer, sequence: 1, sent: 0), at: 0)
            #expect(link.interval == kept)
        }
    }
}
