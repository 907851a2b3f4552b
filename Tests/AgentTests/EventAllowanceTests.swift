import Testing

@testable import Agent

@Suite struct EventAllowanceTests {
    @Test func oneThatFlapsIsBoundedAndToldOf() {
        var allowance = EventAllowance(burst: 10, every: 1000)
        var noted = 0
        // A hundred a second for a minute.
        var toldOf: UInt64 = 0
        for time in stride(from: Int64(0), to: 60_000, by: 10) {
            let (isAdmitted, leftOut) = allowance.admit("flapping", at: time)
            if isAdmitted { noted += 1 }
            toldOf += leftOut
        }
        #expect((60...71).contains(noted))
        #expect(allowance.admit("other", at: 60_000) == (true, 0))
        #expect(Int(toldOf + allowance.takeLeftOut(of: "flapping")) == 6000 - noted)
        #expect(allowance.takeLeftOut(of: "flapping") == 0)
    }

    @Test func itComesBackWithTime() {
        var allowance = EventAllowance(burst: 2, every: 1000)
        for _ in 0..<2 { #expect(allowance.admit("a", at: 0) == (true, 0)) }
        #expect(allowance.admit("a", at: 1).isAdmitted == false)
        #expect(allowance.admit("a", at: 1500) == (true, 1))
        #expect(allowance.admit("a", at: 1600).isAdmitted == false)
    }
}
