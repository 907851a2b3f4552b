import Linux
import Testing

@testable import Seccomp

@Suite struct CallTreeTests {
    private static let (allowed, refused) = (UInt32(0x7fff_0000), UInt32(0x0005_0001))

    /// Runs of every length, with more ends than a comparison can skip.
    @Test(arguments: [1, 2, 3, 10, 1000]) func eachNumberIsAnsweredAsItsSetSays(count: Int) {
        var random = SystemRandomNumberGenerator()
        let sets: [UInt32: Set<UInt32>] = [
            0xc000_003e: Set((0..<count).map { _ in .random(in: 0..<UInt32(2 * count), using: &random) }),
            0x4000_0003: Set((0..<count).map { _ in .random(in: 0x4000_0000...0x4000_0400, using: &random) }),
            0xc000_00b7: [],
        ]
        let filter = SystemCallFilter(programs: [CallTree(allowed: Self.allowed, refused: Self.refused, calls: sets).program()])
        for (architecture, numbers) in sets {
            let near = numbers.flatMap { [$0 &- 1, $0, $0 + 1] }
            for number in near + [0, 1, UInt32(2 * count), 0x3fff_ffff, 0x4000_0000, .max] {
                let answer = numbers.contains(number) ? Self.allowed : Self.refused
                #expect(filter.answer(number, architecture) == answer, "\(number) of \(architecture): \(numbers)")
            }
        }
        #expect(filter.answer(sets[0xc000_003e]!.first!, 0x4000_0028) == Self.refused)
    }
}
