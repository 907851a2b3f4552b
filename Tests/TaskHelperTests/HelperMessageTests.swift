import TaskHelper
import Testing

@Suite struct HelperMessageTests {
    @Test func whatIsEncodedIsDecodedToTheSame() {
        for _ in 0..<2000 {
            let message = RandomRecords.message()
            #expect(HelperMessage(message.encoded()) == message)
        }
    }

    @Test func randomBytesAreNoMessageOrOneThatEncodesToThem() {
        let kinds = Array("g?aiwkslSOEXL".utf8)
        for _ in 0..<5000 {
            var packet = RandomRecords.bytes(upTo: 20)
            if !packet.isEmpty, Bool.random() { packet[0] = kinds.randomElement()! }
            guard let message = HelperMessage(packet) else { continue }
            switch message {
            case .state, .exited, .limits, .limitsSet: #expect(HelperMessage(message.encoded()) == message)
            default: #expect(message.encoded() == packet)
            }
        }
    }

    @Test func aDamagedMessageNeverCrashes() {
        for _ in 0..<2000 {
            var packet = RandomRecords.message().encoded()
            packet[Int.random(in: 0..<packet.count)] = .random(in: 0...255)
            _ = HelperMessage(packet)
            _ = HelperMessage(Array(packet.prefix(Int.random(in: 0...packet.count))))
        }
    }

    @Test func aPacketOfTheLargestSizeIsAMessageAndALargerOneIsNot() {
        let bytes = [UInt8](repeating: 1, count: HelperMessage.capacity - 1)
        #expect(HelperMessage(HelperMessage.output(bytes).encoded()) == .output(bytes))
        #expect(HelperMessage(HelperMessage.output(bytes + [1]).encoded()) == nil)
    }
}
