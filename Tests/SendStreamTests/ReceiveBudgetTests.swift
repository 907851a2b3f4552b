import Testing

@testable import SendStream

@Suite struct ReceiveBudgetTests {
    @Test func clonesArePaidByWhatComesAndWhatIsThere() throws {
        let budget = ReceiveBudget()
        #expect(try budget.clone(1 << 30) && !budget.clone(1))
        budget.receive(1 << 20)
        #expect(try budget.clone((16 << 20) - 1) && !budget.clone(1))
        // One budget for all streams of a file: the largest tree counts once.
        budget.allowClones { 1 << 40 }
        #expect(try budget.clone((4 << 40) - 1) && !budget.clone(1))
        budget.allowClones { 1 << 39 }
        #expect(try !budget.clone(1) && !budget.clone(.max) && !budget.clone(.max))
    }

    @Test func aTreeIsMeasuredOnlyWhenItMatters() throws {
        struct Measured: Error {}
        let budget = ReceiveBudget()
        budget.allowClones { throw Measured() }
        #expect(try budget.clone(1 << 30))
        #expect(throws: Measured.self) { try budget.clone(1) }
    }

    @Test func readingAgainIsPaidByWhatComes() {
        let budget = ReceiveBudget()
        #expect(budget.reread(1 << 30) && !budget.reread(1))
        budget.receive(1 << 20)
        #expect(budget.reread((256 << 20) - 1) && !budget.reread(1) && !budget.reread(.max))
    }
}
