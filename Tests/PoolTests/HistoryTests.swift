import Fixtures
import Glibc
import Testing

/// Clients, faults and invariants over histories from seeds (docs/failures.md, "Histories").
@Suite(.requiresRoot, .serialized)
struct HistoryTests {
    private static func number(_ variable: String) -> UInt64? { getenv(variable).flatMap { UInt64(String(cString: $0)) } }

    private static let isSoaked = getenv("DISH_SOAK") != nil
    /// Milliseconds of one history.
    private static let length = Int(number("DISH_HISTORY_MILLISECONDS") ?? (isSoaked ? 20_000 : 10_000))
    /// Seconds in which histories of random seeds begin.
    private static let seconds = number("DISH_HISTORY_SECONDS") ?? (isSoaked ? 3600 : 0)
    /// Seconds in which a history that fails is made shorter.
    private static let shrinking = Int(number("DISH_HISTORY_SHRINKING") ?? (isSoaked ? 900 : 240))

    /// `DISH_HISTORY_SEED` repeats another one.
    @Test func historiesOfKnownSeeds() async throws {
        for seed in Self.number("DISH_HISTORY_SEED").map({ [$0] }) ?? [12, 36409] { try await examine(seed) }
    }

    @Test(.enabled(if: seconds > 0)) func historiesOfRandomSeeds() async throws {
        let end = ContinuousClock.now + .seconds(Int(Self.seconds))
        repeat { try await examine(.random(in: 1...1_000_000)) } while ContinuousClock.now < end
    }

    private func examine(_ seed: UInt64) async throws {
        let history = History(seed: seed, milliseconds: Self.length)
        print("history of seed \(seed): \(history.steps.count) steps")
        let outcome = try await HistoryRun.run(history)
        print("history of seed \(seed): \(outcome.summary)")
        guard !outcome.failures.isEmpty else { return print(outcome.log, terminator: "") }
        print("history of seed \(seed) fails:\n\(outcome.failures.joined(separator: "\n"))\n\(outcome.log)")
        let shortest = try await shrink(history)
        Issue.record(
            """
            DISH_HISTORY_SEED=\(seed) DISH_HISTORY_MILLISECONDS=\(Self.length) repeats this:
            \(outcome.failures.joined(separator: "\n"))
            \(shortest)
            """)
    }

    /// Delta debugging: leaves out ever smaller parts without which it fails still, for as long as there is time.
    private func shrink(_ history: History) async throws -> History {
        let end = ContinuousClock.now + .seconds(Self.shrinking)
        var shortest = history
        var parts = 2
        while shortest.steps.count > 1, ContinuousClock.now < end {
            let size = (shortest.steps.count + parts - 1) / parts
            var isShorter = false
            for start in stride(from: 0, to: shortest.steps.count, by: size) where ContinuousClock.now < end {
                var candidate = shortest
                candidate.steps.removeSubrange(start..<min(start + size, shortest.steps.count))
                guard !(try await HistoryRun.run(candidate)).failures.isEmpty else { continue }
                (shortest, isShorter) = (candidate, true)
                break
            }
            if isShorter {
                parts = max(2, parts - 1)
            } else if size == 1 {
                break
            } else {
                parts = min(parts * 2, shortest.steps.count)
            }
        }
        return shortest
    }
}
