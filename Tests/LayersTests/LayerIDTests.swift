import FoundationEssentials
import Testing

@testable import Layers

@Suite struct LayerIDTests {
    private let digits = String(repeating: "0123456789abcdef", count: 4)

    @Test func anIDIs64SmallHexadecimalDigits() throws {
        let id = try #require(LayerID(digits))
        #expect(id.hex == digits)
        #expect(id.short == "0123456789ab")
        #expect(LayerID(digest: (0..<32).map { UInt8($0) }).hex.hasPrefix("000102030405"))
    }

    @Test func anythingElseIsNone() {
        for text in [
            "", "abc", digits + "0", String(digits.dropLast()), digits.uppercased(), "../" + digits.dropFirst(3), digits + "\n",
        ] {
            #expect(LayerID(text) == nil, "\(text)")
        }
    }

    @Test func anIDIsCodedAsText() throws {
        let id = try #require(LayerID(digits))
        let data = try JSONEncoder().encode([id])
        #expect(String(decoding: data, as: UTF8.self) == "[\"\(digits)\"]")
        #expect(try JSONDecoder().decode([LayerID].self, from: data) == [id])
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([LayerID].self, from: Data("[\"../etc\"]".utf8)) }
    }

    @Test func hexadecimalDigitsHaveLeadingZeros() {
        #expect(hexadecimal([0, 15, 16, 255]) == "000f10ff")
    }
}
