import Synchronization

/// The work that one received file may cause beyond its own length, over all streams in it.
///
/// A few bytes of a stream can name any amount of data: clones and holes cost the sender nothing, and whoever checks what came out
/// reads them as much as other data.
public final class ReceiveBudget: Sendable {
    private struct State {
        var received: UInt64 = 0
        /// Bytes on disk of the largest tree that a stream is against.
        var base: UInt64 = 0
        /// Measures the tree that the present stream is against, when it matters.
        var measure: (@Sendable () throws -> UInt64)?
        var cloned: UInt64 = 0
        var reread: UInt64 = 0
    }

    /// The part that is free, however short the file is.
    private static let free: UInt64 = 1 << 30
    private let state = Mutex(State())

    public init() {}

    /// Counts bytes of the file.
    public func receive(_ bytes: UInt64) {
        state.withLock { $0.received = Self.sum($0.received, bytes) }
    }

    /// Data of a tree that was there before the file may be cloned a few times.
    ///
    /// - Parameter measure: returns its bytes on disk; called only when the rest of the budget is used up.
    public func allowClones(ofBase measure: @escaping @Sendable () throws -> UInt64) {
        state.withLock { $0.measure = measure }
    }

    /// Counts bytes to clone.
    ///
    /// - Returns: whether the budget has them: a gibibyte, 16 times what was received, and 4 times what the tree has on disk.
    func clone(_ bytes: UInt64) throws -> Bool {
        try state.withLock { state in
            state.cloned = Self.sum(state.cloned, bytes)
            if state.cloned <= Self.cloneable(state) { return true }
            guard let measure = state.measure else { return false }
            state.measure = nil
            state.base = max(state.base, try measure())
            return state.cloned <= Self.cloneable(state)
        }
    }

    private static func cloneable(_ state: State) -> UInt64 {
        sum(sum(free, product(state.received, 16)), product(state.base, 4))
    }

    /// Counts bytes of files that must be read again to check what was received.
    ///
    /// - Returns: whether the budget has them: a gibibyte, and 256 times what was received.
    public func reread(_ bytes: UInt64) -> Bool {
        state.withLock { state in
            state.reread = Self.sum(state.reread, bytes)
            return state.reread <= Self.sum(Self.free, Self.product(state.received, 256))
        }
    }

    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }

    private static func product(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (product, overflow) = left.multipliedReportingOverflow(by: right)
        return overflow ? .max : product
    }
}
