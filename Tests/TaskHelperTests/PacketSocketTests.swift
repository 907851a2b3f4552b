import Glibc
import Linux
import Testing

@testable import TaskHelper

@Suite struct PacketSocketTests {
    @Test func messagesArriveWholeAndTheEndIsSeen() async throws {
        let path = "/tmp/dish-unit-\(getpid())-packets.sock"
        defer { unlink(path) }
        let listener = try PacketSocket.listen(path)
        let client = try HelperConnection(path)
        let accepted = OwnedFD(adopting: accept(listener.number, nil, nil))
        try client.send(.stop(seconds: 7))
        var packet = [UInt8](repeating: 0, count: 100)
        let count = recv(accepted.number, &packet, packet.count, 0)
        #expect(HelperMessage(Array(packet[..<count])) == .stop(seconds: 7))

        #expect(client.receiveArrived().messages == [])
        for sent in [HelperMessage.output([1, 2]).encoded(), Array("nonsense".utf8), HelperMessage.errors([]).encoded()] {
            #expect(send(accepted.number, sent, sent.count, 0) == sent.count)
        }
        _ = consume accepted
        // What is no message is passed over.
        let arrived = client.receiveArrived()
        #expect(arrived.messages == [.output([1, 2]), .errors([])])
        #expect(arrived.isOver)
        #expect(try client.receive() == nil)
    }

    @Test func aSocketThatNobodyServesIsAnErrorAtOnce() {
        let error = #expect(throws: SystemError.self) { try HelperConnection("/nonexistent/helper.sock") }
        #expect(error?.description == "reach the task's helper at '/nonexistent/helper.sock': No such file or directory")
    }

    @Test func aPathThatIsTooLongForASocketIsRefusedWithWhatToDo() throws {
        let path = "/tmp/" + String(repeating: "x", count: 103)
        #expect(path.utf8.count == 108)
        let expected =
            "the path '\(path)' has 108 bytes, and a Unix socket's has 107 at most; choose a shorter directory for sockets: dishd --run-dir"
        #expect(throws: SocketPathError(path: path)) { _ = try PacketSocket.listen(path) }
        #expect(throws: SocketPathError(path: path)) { _ = try PacketSocket.datagrams(path) }
        #expect(throws: SocketPathError(path: path)) { _ = try HelperConnection(path) }
        #expect(SocketPathError(path: path).description == expected)
        let longest = String(path.dropLast())
        defer { unlink(longest) }
        _ = try PacketSocket.listen(longest)
    }
}
