import AgentAPI
import FoundationEssentials
import Layers
import Spec
import Testing

@testable import Agent

@Suite struct HealthStateTests {
    private func check(_ purpose: HealthCheck.Purpose, failures: Int = 3, startPeriod: Double = 0) -> HealthCheck {
        var check = HealthCheck(.tcp(port: 80), purpose)
        check.failures = failures
        check.startPeriod = startPeriod
        return check
    }

    @Test func aTaskIsReadyOnceAllReadinessChecksSucceedAndNotWhenOneFailsLongEnough() {
        var state = HealthState([check(.readiness, failures: 2), check(.readiness)], started: 0)
        #expect(state.health == TaskHealth(started: true, live: true, ready: false))
        #expect(state.pause(0, at: 0) == 1 && state.pause(0, at: 60_000) == 10)
        _ = state.take(nil, from: 0, at: 0)
        #expect(!state.health.ready && state.pause(0, at: 0) == 10)
        _ = state.take(nil, from: 1, at: 0)
        #expect(state.health.ready)
        #expect(state.take("refused", from: 0, at: 0) == nil && state.health.ready)
        #expect(state.take("refused", from: 0, at: 0) == nil && !state.health.ready)
        #expect(state.health.reason == "readiness check (port 80): refused" && state.health.live)
        _ = state.take(nil, from: 0, at: 0)
        #expect(state.health == TaskHealth(started: true, live: true, ready: true))
    }

    @Test func onlyFailuresInARowReplaceATask() {
        var state = HealthState([check(.liveness)], started: 0)
        for _ in 0..<5 {
            #expect(state.take("x", from: 0, at: 0) == nil)
            #expect(state.take("x", from: 0, at: 0) == nil)
            #expect(state.take(nil, from: 0, at: 0) == nil)
        }
        for _ in 0..<2 { #expect(state.take("x", from: 0, at: 0) == nil) }
        #expect(state.health.live)
        #expect(state.take("x", from: 0, at: 0) == "liveness check (port 80): x")
        #expect(!state.health.live && !state.health.ready)
    }

    @Test func failuresInTheStartPeriodDontCountUntilTheFirstSuccess() {
        var state = HealthState([check(.liveness, failures: 1, startPeriod: 60)], started: 1000)
        #expect(state.take("x", from: 0, at: 60_999) == nil)
        #expect(state.take("x", from: 0, at: 61_000) != nil)
        state = HealthState([check(.liveness, failures: 1, startPeriod: 60)], started: 1000)
        #expect(state.take(nil, from: 0, at: 2000) == nil)
        #expect(state.take("x", from: 0, at: 3000) != nil)
    }

    @Test func nothingElseIsAskedUntilTheStartupChecksHaveSucceeded() {
        var state = HealthState([check(.startup), check(.liveness), check(.readiness)], started: 0)
        #expect([0, 1, 2].map { state.isAsked($0) } == [true, false, false])
        #expect(!state.health.started)
        _ = state.take(nil, from: 0, at: 0)
        #expect([0, 1, 2].map { state.isAsked($0) } == [false, true, true])
        #expect(state.health == TaskHealth(started: true, live: true, ready: false))
    }

    @Test func checksAreReadAsTheyWereWrittenAndMayLeaveOutWhatHasADefault() throws {
        var all = HealthCheck.Purpose.allCases.flatMap { purpose in
            [
                HealthCheck(.command(["/bin/true", "x"]), purpose), HealthCheck(.http(port: 80, path: "/a?b"), purpose),
                HealthCheck(.tcp(port: 5432), purpose), HealthCheck(.unit("nginx.service"), purpose),
            ]
        }
        all[0].interval = 2.5
        (all[1].timeout, all[1].failures, all[1].successes, all[1].startPeriod) = (1, 2, 3, 4)
        #expect(try JSONDecoder().decode([HealthCheck].self, from: StateFile.encode(all)) == all)
        let short = try JSONDecoder().decode(
            [HealthCheck].self, from: Data(#"[{"http": {"port": 80}}, {"tcp": 1, "purpose": "liveness"}]"#.utf8))
        #expect(short == [HealthCheck(.http(port: 80, path: "/")), HealthCheck(.tcp(port: 1), .liveness)])
    }

    @Test(arguments: [
        "{}", #"{"tcp": 1, "unit": "a"}"#, #"{"tcp": 70000}"#, #"{"http": {"path": "/"}}"#, #"{"tcp": 1, "purpose": "fun"}"#,
    ])
    func whatIsNoCheckIsRefused(_ text: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(HealthCheck.self, from: Data(text.utf8)) }
    }
}
