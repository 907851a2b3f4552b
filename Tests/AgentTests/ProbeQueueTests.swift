import Testing

@testable import Agent

@Suite struct ProbeQueueTests {
    @Test func tasksWithHangingChecksDoNotHoldOthersUp() {
        var queue = ProbeQueue(slots: 2)
        // Eight of them, each with several checks; none is ever answered.
        for task in 0..<8 { for _ in 0..<3 { _ = queue.ask("bad \(task)", at: 0) } }
        let (ticket, isAsked) = queue.ask("good", at: 1)
        #expect(!isAsked && queue.isWaiting)
        var asked: Set<ProbeQueue.Ticket> = []
        var now: Int64 = 0
        while !asked.contains(ticket), now < 10_000 {
            now += 100
            asked.formUnion(queue.age(to: now))
        }
        #expect(asked.contains(ticket))
        // Those that hang have all been found out once.
        #expect(now <= 8 / 2 * 700)
        #expect(queue.end("good", at: now).isEmpty && !queue.isWaiting)
        // They hang again and again: now they wait on their own time.
        for task in 0..<8 { _ = queue.end("bad \(task)", at: now + 5000) }
        let again = queue.ask("good", at: now + 5001)
        #expect(again.isAsked)
    }

    @Test func aTaskAsksOneQuestionAtATime() {
        var queue = ProbeQueue(slots: 8)
        let first = queue.ask("a", at: 0)
        let (second, third) = (queue.ask("a", at: 0), queue.ask("a", at: 0))
        #expect(first.isAsked && !second.isAsked && !third.isAsked)
        #expect(queue.ask("b", at: 0).isAsked)
        #expect(queue.end("a", at: 10) == [second.ticket])
        #expect(queue.end("a", at: 20) == [third.ticket])
        #expect(queue.end("a", at: 30) == [])
    }

    @Test func slotsAreNeverLostAndWhoWaitsIsAskedInTurn() {
        var queue = ProbeQueue(slots: 3)
        var random = SystemRandomNumberGenerator()
        var (running, waiting): ([ProbeQueue.Ticket: String], [ProbeQueue.Ticket: String]) = ([:], [:])
        for now in Int64(0)..<20_000 {
            if let (ticket, task) = running.randomElement(using: &random), Int.random(in: 0..<3) > 0 {
                running[ticket] = nil
                for next in queue.end(task, at: now) { running[next] = waiting.removeValue(forKey: next) }
            } else {
                let task = "\(Int.random(in: 0..<6))"
                let (ticket, isAsked) = queue.ask(task, at: now)
                if isAsked { running[ticket] = task } else { waiting[ticket] = task }
            }
            if now % 100 == 0 { for next in queue.age(to: now) { running[next] = waiting.removeValue(forKey: next) } }
            #expect(Set(running.values).count == running.count)
            #expect(!running.isEmpty || waiting.isEmpty)
        }
    }
}
