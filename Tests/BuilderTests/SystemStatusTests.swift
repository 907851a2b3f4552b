import Testing

@testable import Builder

@Suite struct SystemStatusTests {
    private func status(_ system: String, _ units: (String, String, String, String)...) -> SystemStatus {
        SystemStatus(
            system: system.isEmpty ? "" : "SystemState=\(system)\n",
            units: units.map { "LoadState=\($0.1)\nActiveState=\($0.2)\nSubState=\($0.3)\n" }.joined(separator: "\n"),
            names: units.map(\.0))
    }

    @Test func aSystemHasStartedWhenItsUnitsAreActiveAndNothingElseIsBeingStarted() {
        let active = ("a.service", "loaded", "active", "running")
        #expect(status("running", active).isStarted(with: ["a.service"]))
        #expect(status("degraded", active).isStarted(with: ["a.service"]))
        #expect(status("running").isStarted(with: []))
        #expect(!status("starting", active).isStarted(with: ["a.service"]))
        #expect(!status("running", ("a.service", "loaded", "activating", "auto-restart")).isStarted(with: ["a.service"]))
        #expect(!status("running").isStarted(with: ["a.service"]))
        #expect(!status("").isStarted(with: []))
    }

    @Test func aUnitIsBrokenOnlyWhenItCannotBecomeActive() {
        func broken(_ system: String, _ load: String, _ active: String) -> Bool {
            !status(system, ("a.service", load, active, "x")).broken.isEmpty
        }
        #expect(broken("starting", "loaded", "failed") && broken("starting", "not-found", "inactive"))
        #expect(broken("starting", "masked", "inactive") && broken("running", "loaded", "inactive"))
        #expect(!broken("starting", "loaded", "inactive") && !broken("running", "loaded", "activating"))
        #expect(!broken("starting", "loaded", "activating") && !broken("running", "loaded", "active"))
    }

    @Test func itSaysWhatIsWaitedFor() {
        #expect("\(status(""))" == "the system is not answering")
        #expect(
            "\(status("starting", ("a.service", "loaded", "activating", "start"), ("b.socket", "loaded", "active", "listening")))"
                == "the system is starting, a.service activating (start)")
    }
}
