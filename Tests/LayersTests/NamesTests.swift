import Testing

@testable import Layers

@Suite struct NamesTests {
    @Test func anEncodedNameIsOneSafeComponentAndDecodesToTheName() {
        let pieces = ["/", ".", "..", "%", "%2f", ":", "a", "Z", "0", "-", "_", "é", "👩‍👩", "\u{338}", "~", "+"]
        for _ in 0..<2000 {
            let name = (0..<Int.random(in: 1...10)).map { _ in pieces.randomElement()! }.joined()
            let file = Pool.encode(name)
            #expect(Pool.decode(file) == name)
            #expect(file.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ".") })
        }
    }

    @Test func differentNamesAreDifferentFiles() {
        let names = ["a/b", "a%2fb", "a.b", "a%2eb", "ab", "a%b", "é", "e\u{301}"]
        #expect(Set(names.map(Pool.encode)).count == names.count)
        #expect(Pool.encode("//web:app") == "%2f%2fweb:app")
    }

    @Test(arguments: ["%", "%2", "%zz", "a%", "%-1", "%+1"]) func whatNoNameIsEncodedAsIsNotDecoded(_ file: String) {
        #expect(Pool.decode(file) == nil)
    }

    @Test(arguments: ["a", "//web:app", "über", String(repeating: "a", count: 200)]) func aPrintableNameIsTaken(_ name: String) {
        #expect(Pool.isName(name))
        #expect(Pool.encode(name).utf8.count < 232)
    }

    @Test(arguments: ["", "a b", "a\n", "\0", String(repeating: "a", count: 201), String(repeating: "/", count: 100)])
    func anyOtherNameIsRefused(_ name: String) {
        #expect(!Pool.isName(name))
    }
}
