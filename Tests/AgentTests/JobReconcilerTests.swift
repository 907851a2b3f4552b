import Glibc
import Linux
import Testing

@testable import Agent

/// What the reconciler does in situations that people describe; `JobSimulationTests` has those nobody thought of.
@Suite struct JobReconcilerTests {
    typealias Goal = JobReconciler.Goal
    typealias Replica = JobReconciler.Replica

    private func replica(_ number: Int, _ version: Int = 1, _ state: Replica.State = .ready) -> Replica {
        Replica(id: "\(version)-\(number)", number: number, version: version, state: state)
    }

    /// Version 2 of three replicas.
    private var update: Goal { Goal(version: 2, replicas: 3, deadline: 60_000, alike: [2], fallback: 1) }

    @Test func aNewJobStartsAllItsReplicasAtOnceAndIsHealthyWhenAllAreReady() {
        var job = JobReconciler()
        let goal = Goal(version: 1, replicas: 3, alike: [1])
        #expect(job.reconcile(goal, [], now: 0).actions == [.start(number: 1), .start(number: 2), .start(number: 3)])
        let starting = [replica(1), replica(2), replica(3, 1, .unready(nil))]
        #expect(job.reconcile(goal, starting, now: 10).actions == [])
        #expect(job.reconcile(goal, starting, now: 10).wake == 120_000)
        #expect(job.reconcile(goal, [replica(1), replica(2), replica(3)], now: 20).actions == [.markHealthy])
    }

    /// However often the agent is started meanwhile.
    @Test func theDeadlineOfABatchGoesOnWhereItWas() throws {
        let folder = "/tmp/dish-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { try? Files.removeTree(folder) }
        let progress = JobProgress(runtimeDirectory: folder)
        let replicas = [replica(1), replica(2), replica(3), replica(4, 2, .unready("not yet"))]
        var job = JobReconciler()
        for now in stride(from: Int64(0), to: 60_000, by: 7000) {
            #expect(job.reconcile(update, replicas, now: now).wake == 60_000)
            try progress.write(job, "web")
            job = try #require(progress.read("web"))
        }
        let late = job.reconcile(update, replicas, now: 60_000).actions
        #expect(late.contains { if case .rollBack(to: 1, _) = $0 { true } else { false } }, "\(late)")
        progress.remove("web")
        #expect(progress.read("web") == nil)
    }

    @Test func whatIsAsItShallBeNeedsNothing() {
        var job = JobReconciler()
        let goal = Goal(version: 1, replicas: 2, alike: [1], outcome: .healthy)
        let result = job.reconcile(goal, [replica(1), replica(2)], now: 0)
        #expect(result.actions == [] && result.wake == nil)
    }

    @Test func anUpdateStartsABatchThenStopsAsManyOldOnesAsAreReady() {
        var job = JobReconciler()
        let old = [replica(1), replica(2), replica(3)]
        #expect(job.reconcile(update, old, now: 0).actions == [.start(number: 4)])
        #expect(job.reconcile(update, old + [replica(4, 2, .unready(nil))], now: 1).actions == [])
        #expect(job.reconcile(update, old + [replica(4, 2)], now: 2).actions == [.stop(id: "1-3")])
        let leaving = [replica(1), replica(2), replica(3, 1, .leaving), replica(4, 2)]
        #expect(job.reconcile(update, leaving, now: 3).actions == [.start(number: 5)])
    }

    @Test func anUpdateThatStopsFirstStartsOnlyWhenTheOldOneHasEnded() {
        var job = JobReconciler()
        var goal = update
        goal.startsFirst = false
        #expect(job.reconcile(goal, [replica(1), replica(2), replica(3)], now: 0).actions == [.stop(id: "1-3")])
        #expect(job.reconcile(goal, [replica(1), replica(2), replica(3, 1, .leaving)], now: 1).actions == [])
        #expect(job.reconcile(goal, [replica(1), replica(2)], now: 2).actions == [.start(number: 3)])
        #expect(job.reconcile(goal, [replica(1), replica(2), replica(3, 2, .unready(nil))], now: 3).actions == [])
        #expect(job.reconcile(goal, [replica(1), replica(2), replica(3, 2)], now: 4).actions == [.stop(id: "1-2")])
        #expect(job.reconcile(goal, [replica(1), replica(2, 1, .leaving), replica(3, 2)], now: 5).actions == [])
    }

    @Test func aPauseLiesBetweenTwoBatches() {
        var job = JobReconciler()
        var goal = update
        goal.pause = 5000
        _ = job.reconcile(goal, [replica(1), replica(2), replica(3)], now: 0)
        let between = [replica(1), replica(2), replica(4, 2)]
        let waiting = job.reconcile(goal, between, now: 100)
        #expect(waiting.actions == [] && waiting.wake == 5100)
        #expect(job.reconcile(goal, between, now: 5099).actions == [])
        _ = job.reconcile(goal, between, now: 5100)
        #expect(job.reconcile(goal, between, now: 5101).actions == [.start(number: 3)])
    }

    @Test func aVersionThatIsNotReadyInTimeIsRolledBackWithTheReason() {
        var job = JobReconciler()
        let old = [replica(1), replica(2), replica(3)]
        _ = job.reconcile(update, old, now: 0)
        let broken = old + [replica(4, 2, .unready("GET / on port 80 was answered with 500"))]
        #expect(job.reconcile(update, broken, now: 59_999).wake == 60_000)
        #expect(
            job.reconcile(update, broken, now: 60_000).actions == [
                .rollBack(
                    to: 1,
                    reason: "0 of 1 new replicas were ready after 60 s; replica 4: GET / on port 80 was answered with 500")
            ])
        let back = Goal(version: 3, replicas: 3, alike: [1, 3])
        #expect(job.reconcile(back, broken, now: 60_001).actions == [.stop(id: "2-4"), .markHealthy])
    }

    @Test func withoutAVersionToGoBackToTheBatchIsTriedOn() {
        var job = JobReconciler()
        var goal = Goal(version: 1, replicas: 1, deadline: 1000, alike: [1])
        _ = job.reconcile(goal, [], now: 0)
        let actions = job.reconcile(goal, [replica(1, 1, .unready("no"))], now: 1000).actions
        #expect(actions == [.markFailed("0 of 1 new replicas were ready after 1 s; replica 1: no")])
        goal.outcome = .failed
        #expect(job.reconcile(goal, [replica(1, 1, .unready("no"))], now: 2000).actions == [])
        #expect(job.reconcile(goal, [replica(1)], now: 3000).actions == [.markHealthy])
    }

    @Test func aReplicaThatFailedForGoodIsReplacedMoreAndMorePatiently() {
        var job = JobReconciler()
        let goal = Goal(version: 1, replicas: 1, alike: [1], outcome: .healthy)
        var now: Int64 = 0
        for (attempt, seconds) in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].enumerated() {
            let failed = Replica(id: "f\(attempt)", number: 1, version: 1, state: .failed("exit code 1"))
            #expect(job.reconcile(goal, [failed], now: now).actions == [.remove(id: "f\(attempt)")])
            let waiting = job.reconcile(goal, [], now: now + 1)
            #expect(waiting.actions == [] && waiting.wake == now + Int64(seconds) * 1000)
            now += Int64(seconds) * 1000
            #expect(job.reconcile(goal, [], now: now).actions == [.start(number: 1)])
        }
        _ = job.reconcile(goal, [Replica(id: "later", number: 1, version: 1, state: .failed("x"))], now: now + 700_000)
        #expect(job.reconcile(goal, [], now: now + 700_001).wake == now + 701_000)
    }

    @Test func aReplicaThatMayEndIsDoneAndNotStartedAgain() {
        var job = JobReconciler()
        let goal = Goal(version: 1, replicas: 2, alike: [1])
        #expect(job.reconcile(goal, [replica(1, 1, .done), replica(2)], now: 0).actions == [.markHealthy])
        let next = Goal(version: 2, replicas: 2, alike: [2])
        #expect(job.reconcile(next, [replica(1, 1, .done)], now: 1).actions.first == .remove(id: "1-1"))
    }

    @Test func aReplicaThatIsNeverRestartedStaysFailedAndFailsItsVersionAtOnce() {
        var job = JobReconciler()
        let goal = Goal(version: 1, replicas: 1, alike: [1], keepsFailed: true)
        _ = job.reconcile(goal, [], now: 0)
        #expect(
            job.reconcile(goal, [replica(1, 1, .failed("exit code 3"))], now: 1).actions
                == [.markFailed("0 of 1 new replicas were ready; replica 1: exit code 3")])
    }

    @Test func onlyTheNumberOfReplicasChangesWhenTheTemplateIsTheSame() {
        var job = JobReconciler()
        let more = Goal(version: 2, replicas: 3, alike: [1, 2])
        #expect(job.reconcile(more, [replica(1)], now: 0).actions == [.start(number: 2), .start(number: 3)])
        let fewer = Goal(version: 3, replicas: 1, alike: [1, 2, 3])
        #expect(
            job.reconcile(fewer, [replica(1), replica(2, 2), replica(3, 2)], now: 1).actions
                == [.stop(id: "2-2"), .stop(id: "2-3"), .markHealthy])
    }

    @Test func aStoppedJobEndsEverythingAndTakesAwayWhatHasEnded() {
        var job = JobReconciler()
        let goal = Goal(version: 1, replicas: 0, alike: [1])
        let all = [
            replica(1), replica(2, 1, .unready(nil)), replica(3, 1, .leaving), replica(4, 1, .done), replica(5, 1, .failed("")),
        ]
        #expect(
            job.reconcile(goal, all, now: 0).actions
                == [.remove(id: "1-4"), .remove(id: "1-5"), .stop(id: "1-1"), .stop(id: "1-2")])
    }

    @Test func nothingStartsBeforeADependencyAndTheDeadlineWaitsToo() {
        var job = JobReconciler()
        var goal = Goal(version: 1, replicas: 1, deadline: 1000, alike: [1], isBlocked: true)
        for now in stride(from: Int64(0), to: 5000, by: 500) { #expect(job.reconcile(goal, [], now: now).actions == []) }
        goal.isBlocked = false
        let result = job.reconcile(goal, [], now: 5000)
        #expect(result.actions == [.start(number: 1)] && result.wake == 5500)
    }

    @Test func numbersWhoseNamesOtherTasksHaveAreLeftOut() {
        var job = JobReconciler()
        let goal = Goal(version: 1, replicas: 2, alike: [1])
        #expect(job.reconcile(goal, [], taken: [1, 3], now: 0).actions == [.start(number: 2), .start(number: 4)])
    }

    @Test func whatCannotBeStartedIsTriedAgainAndSaysWhyItFailed() {
        var job = JobReconciler()
        let goal = Goal(version: 2, replicas: 1, deadline: 10_000, alike: [2], fallback: 1)
        #expect(job.reconcile(goal, [replica(1)], now: 0).actions == [.start(number: 2)])
        job.startFailed("there is no image 'x'", now: 100)
        #expect(job.reconcile(goal, [replica(1)], now: 200).wake == 1100)
        #expect(job.reconcile(goal, [replica(1)], now: 1100).actions == [.start(number: 2)])
        #expect(
            job.reconcile(goal, [replica(1)], now: 10_000).actions == [
                .rollBack(to: 1, reason: "0 of 1 new replicas were ready after 10 s; the last one: there is no image 'x'")
            ])
    }
}
