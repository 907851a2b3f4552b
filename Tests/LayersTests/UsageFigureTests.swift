import Testing

@testable import Layers

struct UsageFigureTests {
    /// The definition, set by set.
    private func expected(_ shares: [UsageIndex.Share], _ slots: SlotSet) -> UsageIndex.Figures {
        var figures = UsageIndex.Figures()
        for share in shares where share.members.intersects(slots) {
            figures.referenced += share.data
            figures.content += share.content
            guard share.members.isSubset(of: slots) else { continue }
            figures.exclusive += share.data
            figures.metadata += share.metadata
        }
        return figures
    }

    @Test func onePassSaysWhatEachSetHas() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let count = Int.random(in: 1...90, using: &random)
            func some() -> SlotSet { SlotSet((0..<Int.random(in: 1...8, using: &random)).map { _ in Int.random(in: 0..<count) }) }
            let shares = (0..<120).map { number in
                var share = UsageIndex.Share(members: some())
                (share.data, share.content, share.metadata) = (UInt64(number) + 1, UInt64(number) * 3, UInt64(number) << 20)
                return share
            }
            // Sets overlap: a volume has the slots of its snapshots.
            let sets = Dictionary(uniqueKeysWithValues: (0..<40).map { ($0, some()) })
            let index = UsageIndex(
                version: UsageIndex.version, taken: 0, seconds: 0,
                members: (0..<count).map { ExtentTable.Member(id: UInt64($0), generation: 1) }, shares: shares, ownMetadata: 0,
                otherMetadata: 0)
            let figures = index.figures(of: sets)
            for (key, slots) in sets { #expect(figures[key] == expected(shares, slots)) }
        }
    }
}
