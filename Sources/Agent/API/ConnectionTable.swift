/// Which connections a listener has, as a pure function. So many are the most, in all and of one peer. Where there is no room, a
/// new one takes the place of the oldest that has asked for nothing yet: who opens many and says nothing keeps nobody out.
struct ConnectionTable<ID: Hashable & Sendable>: Sendable {
    private struct Entry: Sendable {
        let peer: String
        let number: UInt64
        var hasAsked = false
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
    private var next: UInt64 = 0

    init(most: Int, ofPeer: Int) {
        self.most = most
        mostOfPeer = ofPeer
    }

    var count: Int { entries.count }

    mutating func open(_ id: ID, from peer: String) -> Admission {
        var admission = Admission.admitted
        let others = entries.filter { $0.value.peer == peer }
        if others.count >= mostOfPeer || entries.count >= most {
            let candidates = others.count >= mostOfPeer ? others : entries
            guard let oldest = candidates.filter({ !$0.value.hasAsked }).min(by: { $0.value.number < $1.value.number }) else {
                return .refused
            }
            entries[oldest.key] = nil
            admission = .insteadOf(oldest.key)
        }
        next += 1
        entries[id] = Entry(peer: peer, number: next)
        return admission
    }

    /// It has sent a request that may be answered.
    mutating func asked(_ id: ID) { entries[id]?.hasAsked = true }

    mutating func closed(_ id: ID) { entries[id] = nil }
}
