import Testing

@testable import Agent

/// A new version counts once its replicas have been ready for a while; what ends by itself before that counts against it.
@Suite struct JobTrialTests {
    typealias Goal = JobReconciler.Goal
    typealias Replica = JobReconciler.Replica

    private let old = Replica(id: "old", number: 1, version: 1, state: .ready, ends: 4, isRestarted: true)

    private func new(_ state: Replica.State = .ready, ends: Int = 0, isRestarted: Bool = true) -> Replica {
        Replica(
            id: "new", number: 2, version: 2, state: state, ends: ends, isRestarted: isRestarted && ends > 0,
            lastEnd: "exit code 4")
    }

    private func goal(fallback: Int? = 1) -> Goal {
        Goal(version: 2, replicas: 1, deadline: 60_000, minReady: 5000, alike: [2], fallback: fallback)
    }

    @Test func anOldReplicaGoesWhenTheNewOneHasBeenReadyForTheMinimum() {
        var job = JobReconciler()
        #expect(job.reconcile(goal(), [old], now: 0).actions == [.start(number: 2)])
        let young = job.reconcile(goal(), [old, new()], now: 1000)
        #expect(young.actions == [] && young.wake == 6000)
        #expect(job.reconcile(goal(), [old, new()], now: 5999).actions == [])
        #expect(job.reconcile(goal(), [old, new()], now: 6000).actions == [.stop(id: "old"), .markHealthy])
    }

    @Test func aRestartOfANewReplicaBringsTheOldVersionBack() {
        var job = JobReconciler()
        _ = job.reconcile(Goal(version: 1, replicas: 1, alike: [1], outcome: .healthy), [old], now: 0)
        _ = job.reconcile(goal(), [old], now: 10_000)
        _ = job.reconcile(goal(), [old, new()], now: 10_100)
        // It was up again before anybody looked.
        #expect(
            job.reconcile(goal(), [old, new(ends: 1)], now: 10_600).actions
                == [.rollBack(to: 1, reason: "replica 2 did not stay up: exit code 4")])
        var back = goal()
        (back.version, back.alike, back.fallback) = (3, [1, 3], nil)
        // What the old one did before is not held against the version that it is the replica of.
        #expect(job.reconcile(back, [old, new(ends: 1)], now: 10_700).actions == [.stop(id: "new"), .markHealthy])
    }

    @Test func aReplicaThatEndsForGoodCountsTheSame() {
        var job = JobReconciler()
        _ = job.reconcile(goal(), [old], now: 0)
        let actions = job.reconcile(goal(), [old, new(.failed("signal 9"))], now: 100).actions
        #expect(actions == [.remove(id: "new"), .rollBack(to: 1, reason: "replica 2 did not stay up: signal 9")])
    }

    @Test func readinessThatComesAndGoesBeginsAnew() {
        var job = JobReconciler()
        _ = job.reconcile(goal(), [old], now: 0)
        _ = job.reconcile(goal(), [old, new()], now: 100)
        _ = job.reconcile(goal(), [old, new(.unready("ill"))], now: 4000)
        #expect(job.reconcile(goal(), [old, new()], now: 5000).wake == 10_000)
        #expect(job.reconcile(goal(), [old, new()], now: 9999).actions == [])
        #expect(job.reconcile(goal(), [old, new()], now: 10_000).actions == [.stop(id: "old"), .markHealthy])
    }

    @Test func aRestartThatSomebodyAskedForBeginsTheTimeAnewAndIsNoFault() {
        var job = JobReconciler()
        _ = job.reconcile(goal(), [old], now: 0)
        _ = job.reconcile(goal(), [old, new()], now: 100)
        let restarted = job.reconcile(goal(), [old, new(ends: 1, isRestarted: false)], now: 3000)
        #expect(restarted.actions == [] && restarted.wake == 8000)
        #expect(
            job.reconcile(goal(), [old, new(ends: 1, isRestarted: false)], now: 8000).actions == [.stop(id: "old"), .markHealthy])
    }

    @Test func aFirstVersionFailsWithItsThirdRestart() {
        var job = JobReconciler()
        let goal = goal(fallback: nil)
        _ = job.reconcile(goal, [], now: 0)
        for ends in 0...2 {
            #expect(job.reconcile(goal, [new(ends: ends)], now: Int64(ends) * 1000).actions == [])
        }
        #expect(
            job.reconcile(goal, [new(ends: 3)], now: 3000).actions
                == [.markFailed("its replicas ended 3 times; replica 2 did not stay up: exit code 4")])
        var failed = goal
        failed.outcome = .failed
        #expect(job.reconcile(failed, [new(ends: 3)], now: 7999).actions == [])
        // It is tried on, and may come to be healthy.
        #expect(job.reconcile(failed, [new(ends: 3)], now: 8000).actions == [.markHealthy])
    }

    @Test func whatIsDoneNeedsNoMinimum() {
        var job = JobReconciler()
        _ = job.reconcile(goal(), [old], now: 0)
        #expect(job.reconcile(goal(), [old, new(.done)], now: 100).actions == [.stop(id: "old"), .markHealthy])
    }

    /// An agent that is replaced in the middle goes on where the other was.
    @Test func theTimeGoesOnOverAnAgentsRestart() throws {
        var job = JobReconciler()
        _ = job.reconcile(goal(), [old], now: 0)
        _ = job.reconcile(goal(), [old, new()], now: 100)
        let progress = JobProgress(runtimeDirectory: "/tmp/dish-unit-trial-\(UInt32.random(in: 0 ... .max))")
        defer { progress.remove("web") }
        try progress.write(job, "web")
        var next = try #require(progress.read("web"))
        #expect(next.reconcile(goal(), [old, new()], now: 5099).actions == [])
        #expect(next.reconcile(goal(), [old, new()], now: 5100).actions == [.stop(id: "old"), .markHealthy])
    }
}
