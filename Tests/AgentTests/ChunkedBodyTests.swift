import Testing

@testable import AgentAPI

@Suite struct ChunkedBodyTests {
    @Test func howeverABodyIsCutItIsTheSame() throws {
        for _ in 0..<300 {
            let pieces = (0..<Int.random(in: 0...5)).map { _ in (0..<Int.random(in: 1...70)).map { _ in UInt8.random(in: 0...255) } }
            let sent = pieces.flatMap { Array("\(String($0.count, radix: 16));x=y\r\n".utf8) + $0 + Array("\r\n".utf8) }
            var rest = (sent + Array("0\r\n\r\n".utf8))[...]
            var (body, content) = (ChunkedBody(), [UInt8]())
            while !rest.isEmpty {
                let cut = rest.prefix(Int.random(in: 1...20))
                rest = rest.dropFirst(cut.count)
                let taken = body.take(cut)
                content += try #require(taken)
            }
            #expect(content == pieces.flatMap { $0 } && body.isOver)
        }
    }

    @Test(arguments: ["x\r\n", "-1\r\n", "\r\n", "2\r\nabc\r\n", "fffffffffffffffffffff\r\n", String(repeating: "1", count: 2000)])
    func whatIsNoSuchBodyIsRefused(_ text: String) {
        var body = ChunkedBody()
        #expect(body.take(Array(text.utf8)[...]) == nil)
    }
}
