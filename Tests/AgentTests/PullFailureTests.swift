import Layers
import Registry
import Testing

@testable import Agent

@Suite struct PullFailureTests {
    @Test(arguments: [
        (RegistryError.Code.unreachable, true), (.refused, true), (.damaged, true), (.notFound, false), (.unauthorized, false),
        (.invalid, false), (.untrusted, false),
    ])
    func whatAnotherAttemptMayMendIsTriedAgain(_ code: RegistryError.Code, _ expected: Bool) {
        #expect(PullFailure(RegistryError(code, "why")).isTransient == expected)
    }

    @Test func aFullPoolIsTriedAgainAndToldApart() {
        #expect(PullFailure(PoolError(.full, "no room")) == .full("no room"))
    }

    @Test func theWaitGrowsUpToFiveMinutes() {
        #expect((1...9).map(PackagePolicy.backoff) == [5, 10, 20, 40, 80, 160, 300, 300, 300].map { $0 * 1000 })
        #expect(PackagePolicy.backoff(after: 1_000_000) == 300_000)
    }
}
