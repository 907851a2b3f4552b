import Testing

@testable import Networks

@Suite struct NetlinkMessageTests {
    @Test func aMessageHasItsLengthAndPaddedAttributes() {
        var message = NetlinkMessage(16, flags: 0)
        message.linkHeader(index: 7, isUp: true)
        message.attribute(3, text: "br0")
        message.nest(18) { $0.attribute(1, text: "bridge") }
        let bytes = message.encoded
        #expect(bytes.count % 4 == 0)
        #expect(Array(bytes[0..<4]) == [UInt8(bytes.count), 0, 0, 0])
        #expect(Array(bytes[4..<8]) == [16, 0, 5, 0])
        #expect(Array(bytes[20..<24]) == [7, 0, 0, 0])
        #expect(
            Array(bytes[32...]) == [8, 0, 3, 0] + Array("br0\0".utf8) + [16, 0, 18, 0, 11, 0, 1, 0] + Array("bridge\0\0".utf8))
    }
}
