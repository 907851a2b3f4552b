import Layers
import Testing

@Suite struct CollectionPlanTests {
    private static let day: Int64 = 86400
    private let now: Int64 = 1000 * day

    private func id(_ number: Int) -> LayerID {
        let digits = String(number)
        return LayerID(String(repeating: "0", count: 64 - digits.count) + digits)!
    }

    /// - Parameter unused: seconds.
    private func layer(
        _ number: Int, on needs: Int..., unused: Int64, size: UInt64 = 10, isKept: Bool = false
    ) -> CollectionPlan.Candidate {
        .init(id: id(number), needs: needs.map(id), lastUsed: now - unused, size: size, isKept: isKept)
    }

    private func plan(
        _ layers: [CollectionPlan.Candidate], used: UInt64, _ change: (inout CollectionPlan.Rules) -> Void = { _ in }
    ) -> [LayerID] {
        var rules = CollectionPlan.Rules()
        change(&rules)
        return CollectionPlan(layers, used: used, total: 1000, rules, now: now).removals
    }

    @Test func withRoomOnlyWhatNothingHasUsedForLongGoes() {
        let layers = [layer(1, unused: 15 * Self.day), layer(2, unused: 13 * Self.day), layer(3, unused: 20 * Self.day)]
        #expect(plan(layers, used: 850) == [id(3), id(1)])
    }

    @Test func underPressureTheLeastRecentlyUsedGoUntilThereIsRoom() {
        let layers = (1...9).map { layer($0, unused: Int64($0) * 3600, size: 30) }
        // 90 % are used, 80 % shall be: 100 bytes.
        #expect(plan(layers, used: 900) == [9, 8, 7, 6].map(id))
        #expect(plan(layers, used: 851) == [9, 8].map(id))
        #expect(plan(layers, used: 850) == [])
    }

    @Test func whatIsNeededStaysAndWhatItStandsOnToo() {
        let layers = [
            layer(1, unused: 30 * Self.day), layer(2, on: 1, unused: 30 * Self.day, isKept: true),
            layer(3, on: 1, unused: 30 * Self.day),
        ]
        #expect(plan(layers, used: 1000) == [id(3)])
    }

    @Test func aStackGoesFromItsTop() {
        let layers = [
            layer(1, unused: 40 * Self.day), layer(2, on: 1, unused: 30 * Self.day), layer(3, on: 2, 4, unused: 20 * Self.day),
            layer(4, on: 1, unused: 50 * Self.day),
        ]
        #expect(plan(layers, used: 0) == [3, 2, 4, 1].map(id) || plan(layers, used: 0) == [3, 4, 2, 1].map(id))
    }

    @Test func whoUsesALayerUsesWhatItStandsOn() {
        // The base is old, and what stands on it was used an hour ago: another image goes first.
        let layers = [
            layer(1, unused: 10 * Self.day), layer(2, on: 1, unused: 3600), layer(3, unused: 5 * Self.day, size: 60),
            layer(4, unused: 4 * Self.day, size: 60),
        ]
        #expect(plan(layers, used: 900) == [3, 4].map(id))
    }

    @Test func whatWasJustUsedNeverGoes() {
        let layers = [layer(1, unused: 100), layer(2, unused: 599), layer(3, unused: 600)]
        #expect(plan(layers, used: 1000) == [id(3)])
        #expect(plan(layers, used: 1000) { $0.spare = 0 } == [3, 2, 1].map(id))
    }

    /// Of random pools: nothing that is kept goes, or is left without what it stands on, and no more goes than is asked for.
    @Test func noPlanTakesWhatIsNeeded() {
        for _ in 0..<300 {
            let layers = (1...30).map { number in
                CollectionPlan.Candidate(
                    id: id(number), needs: number > 3 && Bool.random() ? [id(.random(in: 1..<number))] : [],
                    lastUsed: now - .random(in: 0...20 * Self.day), size: .random(in: 0...40), isKept: Int.random(in: 0..<4) == 0)
            }
            let removals = plan(layers, used: .random(in: 500...1000))
            #expect(Set(removals).count == removals.count)
            var left = Dictionary(uniqueKeysWithValues: layers.map { ($0.id, $0) })
            for id in removals {
                #expect(left.removeValue(forKey: id)?.isKept == false)
                #expect(!left.values.contains { $0.needs.contains(id) })
            }
        }
    }
}
