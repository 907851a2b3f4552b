/// How many events of its own doing a task may have noted, as a pure function: one that flaps doesn't push others' events out of
/// files of bounded size. Times are milliseconds of a clock that only goes forward.
struct EventAllowance: Sendable {
    private struct Balance: Sendable {
        var credit: Double
        var at: Int64
        var leftOut: UInt64 = 0
    }

    private let burst: Double
    /// Milliseconds until another may be noted.
    private let interval: Double
    private var balances: [String: Balance] = [:]

    init(burst: Int = 200, every milliseconds: Int = 20_000) {
        self.burst = Double(burst)
        interval = Double(milliseconds)
    }

    /// Whether an event of somebody may be noted now, and how many weren't since the last one that was.
    mutating func admit(_ name: String, at now: Int64) -> (isAdmitted: Bool, leftOut: UInt64) {
        var balance = balances[name] ?? Balance(credit: burst, at: now)
        balance.credit = min(burst, balance.credit + Double(max(0, now - balance.at)) / interval)
        balance.at = now
        guard balance.credit >= 1 else {
            balance.leftOut += 1
            balances[name] = balance
            return (false, 0)
        }
        balance.credit -= 1
        let leftOut = balance.leftOut
        balance.leftOut = 0
        balances[name] = balance
        if balances.count > 10_000 { forgetQuiet(at: now) }
        return (true, leftOut)
    }

    /// How many weren't noted, told with an event that always is.
    mutating func takeLeftOut(of name: String) -> UInt64 {
        let leftOut = balances[name]?.leftOut ?? 0
        balances[name]?.leftOut = 0
        return leftOut
    }

    private mutating func forgetQuiet(at now: Int64) {
        balances = balances.filter { _, balance in
            balance.leftOut > 0 || balance.credit + Double(max(0, now - balance.at)) / interval < burst
        }
    }
}
