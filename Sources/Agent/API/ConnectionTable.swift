/// Which connections a listener has, as a pure function. So many are the most, in all and of one peer.
///
/// Without room, a new connection takes the place of one on which nothing is being answered: of the peer that has most, the one
/// that has asked for nothing yet, else the one idle for longest. Where all are busy, a peer that has fewer than another takes the
/// place of the other's longest request. So whoever holds many keeps nobody out.
struct ConnectionTable<ID: Hashable & Sendable>: Sendable {
    private struct Entry: Sendable {
        let peer: String
        /// Requests that aren't answered yet.
        var running = 0
        var hasAsked = false
        /// When it was opened, or last began or ended a request, in steps of the table.
        var last: UInt64
    }

    enum Admission: Equatable, Sendable {
        case admitted
        /// In the place of this one, which is to be closed.
        case insteadOf(ID)
        case refused
    }

    private let most: Int
    private let mostOfPeer: Int
    private var entries: [ID: Entry] = [:]
    private var step: UInt64 = 0

    init(most: Int, ofPeer: Int) {
        self.most = most
        mostOfPeer = ofPeer
    }

    var count: Int { entries.count }

    mutating func open(_ id: ID, from peer: String) -> Admission {
        var admission = Admission.admitted
        let counts = Dictionary(entries.values.map { ($0.peer, 1) }, uniquingKeysWith: +)
        let own = counts[peer] ?? 0
        if own >= mostOfPeer || entries.count >= most {
            let candidates = own >= mostOfPeer ? entries.filter { $0.value.peer == peer } : entries
            guard let other = Self.leastNeeded(candidates, counts, own) else { return .refused }
            entries[other] = nil
            admission = .insteadOf(other)
        }
        step += 1
        entries[id] = Entry(peer: peer, last: step)
        return admission
    }

    private static func leastNeeded(_ entries: [ID: Entry], _ counts: [String: Int], _ own: Int) -> ID? {
        func rank(_ entry: Entry) -> (Int, Int, UInt64) { (-(counts[entry.peer] ?? 0), entry.hasAsked ? 1 : 0, entry.last) }
        let idle = entries.filter { $0.value.running == 0 }
        if let idlest = idle.min(by: { rank($0.value) < rank($1.value) }) { return idlest.key }
        return entries.filter { (counts[$0.value.peer] ?? 0) > own }.min { rank($0.value) < rank($1.value) }?.key
    }

    /// A request has come on it.
    mutating func began(_ id: ID) {
        step += 1
        entries[id]?.running += 1
        entries[id]?.hasAsked = true
        entries[id]?.last = step
    }

    /// A request on it is answered, and the client has taken the answer.
    mutating func ended(_ id: ID) {
        step += 1
        entries[id]?.running -= 1
        entries[id]?.last = step
    }

    mutating func closed(_ id: ID) { entries[id] = nil }
}
