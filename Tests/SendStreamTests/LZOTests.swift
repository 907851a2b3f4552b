import Testing

@testable import SendStream

/// The streams the kernel makes are read in PoolTests; these are made by hand.
@Suite struct LZOTests {
    private func decompress(_ input: [UInt8], capacity: Int) -> [UInt8]? {
        var output = [UInt8](repeating: 0, count: capacity)
        let count = input.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { LZO.decompress(input, to: $0) }
        }
        return count.map { Array(output[..<$0]) }
    }

    private static let end: [UInt8] = [0x11, 0, 0]

    @Test func literalsAndMatchesThatReachIntoThemselves() {
        // Three literals; nine bytes from three back.
        #expect(decompress([20] + Array("abc".utf8) + [0x27, 0x08, 0] + Self.end, capacity: 12) == Array("abcabcabcabc".utf8))
    }

    @Test func longLengthsGoOnInTheNextBytes() {
        // One literal; 2 + 31 + 255 + 12 bytes from one back, then two literals.
        let input = [18, UInt8(ascii: "x"), 0x20, 0, 12, 0x02, 0] + Array("yz".utf8) + Self.end
        #expect(decompress(input, capacity: 303) == [UInt8](repeating: UInt8(ascii: "x"), count: 301) + Array("yz".utf8))
    }

    @Test func noMoreIsWrittenThanThereIsRoomFor() {
        #expect(decompress([20] + Array("abc".utf8) + [0x27, 0x08, 0] + Self.end, capacity: 11) == nil)
        #expect(decompress([20] + Array("abc".utf8) + Self.end, capacity: 2) == nil)
    }

    @Test func aMatchBeforeTheBeginningIsDamage() {
        #expect(decompress([20] + Array("abc".utf8) + [0x27, 0x0c, 0] + Self.end, capacity: 12) == nil)
    }

    @Test func aCutAnywhereIsDamage() {
        let whole = [20] + Array("abc".utf8) + [0x27, 0x08, 0] + Self.end
        for count in 0..<whole.count { #expect(decompress(Array(whole[..<count]), capacity: 12) == nil) }
        #expect(decompress(whole + [0], capacity: 12) == nil)
    }

    @Test func anythingElseIsDamageOrFits() {
        for _ in 0..<20_000 {
            let input = (0..<Int.random(in: 0...60)).map { _ in UInt8.random(in: 0...255) }
            if let output = decompress(input, capacity: 200) { #expect(output.count <= 200) }
        }
    }
}
