import Testing

@testable import Agent

@Suite struct ConnectionTableTests {
    @Test func whoSaysNothingKeepsNobodyOut() {
        var table = ConnectionTable<Int>(most: 100, ofPeer: 10)
        var isOpen: Set<Int> = []
        // From many addresses, several thousand.
        for id in 0..<5000 {
            switch table.open(id, from: "10.0.\(id / 10 % 200).1") {
            case .admitted: isOpen.insert(id)
            case .insteadOf(let other):
                isOpen.remove(other)
                isOpen.insert(id)
            case .refused: Issue.record("refused")
            }
            #expect(isOpen.count == table.count && table.count <= 100)
        }
        #expect(table.open(9999, from: "192.0.2.1") != .refused)
        table.began(9999)
        // One that is being answered stays.
        for id in 10_000..<11_000 {
            if case .insteadOf(9999) = table.open(id, from: "10.1.\(id / 10).1") { Issue.record("it was closed") }
        }
    }

    @Test func onePeerHasItsShareAndNoMore() {
        var table = ConnectionTable<Int>(most: 100, ofPeer: 10)
        for id in 0..<10 {
            #expect(table.open(id, from: "a") == .admitted)
            table.began(id)
        }
        #expect(table.open(10, from: "a") == .refused)
        #expect(table.open(11, from: "b") == .admitted)
        table.closed(3)
        #expect(table.open(12, from: "a") == .admitted)
        #expect(table.open(13, from: "a") == .insteadOf(12))
    }

    @Test func whoAskedOnceAndKeepsItsConnectionsKeepsNobodyOut() {
        var table = ConnectionTable<Int>(most: 128, ofPeer: 64)
        for id in 0..<128 {
            _ = table.open(id, from: id < 64 ? "a" : "b")
            table.began(id)
            table.ended(id)
        }
        // Asks again and again.
        for id in (0..<128).reversed() where id != 70 {
            table.began(id)
            table.ended(id)
        }
        #expect(table.open(200, from: "c") == .insteadOf(70))
        // A peer at its share replaces its own.
        #expect(table.open(201, from: "a") == .insteadOf(63))
        #expect(table.count == 128)
    }

    @Test func aFewPeersThatAreAlwaysBusyKeepNobodyOut() {
        var table = ConnectionTable<Int>(most: 128, ofPeer: 64)
        for id in 0..<128 {
            _ = table.open(id, from: id < 64 ? "a" : "b")
            table.began(id)
        }
        #expect(table.open(200, from: "c") == .insteadOf(0))
        table.began(200)
        #expect(table.open(201, from: "c") == .insteadOf(64))
        table.began(201)
        // Not in the place of who has less.
        #expect(table.open(202, from: "b") == .refused)
    }
}
