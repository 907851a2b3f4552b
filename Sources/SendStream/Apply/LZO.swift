/// Decompresses LZO1X, as the kernel's Documentation/staging/lzo.rst describes it. (The library that has it may not be linked by
/// programs of this licence.)
struct LZO {
    private let input: UnsafeRawBufferPointer
    private let output: UnsafeMutableRawBufferPointer
    private var position = 0
    private var written = 0

    /// - Returns: how many bytes the output got; nil for input that is damaged, or of which there is more than the output
    ///   holds.
    static func decompress(_ input: UnsafeRawBufferPointer, to output: UnsafeMutableRawBufferPointer) -> Int? {
        var decompressor = LZO(input: input, output: output)
        return decompressor.run() ? decompressor.written : nil
    }

    private init(input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer) {
        self.input = input
        self.output = output
    }

    private mutating func run() -> Bool {
        // Literals that the last instruction copied: 1 to 3 after a match, 4 for a run of them.
        var literals = 0
        if let first = input.first, first > 17 {
            position = 1
            literals = min(Int(first) - 17, 4)
            guard copyLiterals(Int(first) - 17) else { return false }
        }
        while let instruction = next() {
            let (distance, length, tail): (Int, Int, Int)
            switch instruction {
            case 0..<16 where literals == 0:
                guard let run = longLength(instruction, mask: 15, beyond: 3), copyLiterals(run) else { return false }
                literals = 4
                continue
            case 0..<16:
                guard let high = next() else { return false }
                distance = high << 2 + instruction >> 2 + (literals == 4 ? 2049 : 1)
                length = literals == 4 ? 3 : 2
                tail = instruction & 3
            case 16..<32:
                guard let count = longLength(instruction, mask: 7, beyond: 2), let low = nextWord() else { return false }
                distance = 16384 + (instruction & 8) << 11 + low >> 2
                // The end mark.
                if distance == 16384 { return count == 3 && position == input.count }
                length = count
                tail = low & 3
            case 32..<64:
                guard let count = longLength(instruction, mask: 31, beyond: 2), let low = nextWord() else { return false }
                (distance, length, tail) = (low >> 2 + 1, count, low & 3)
            default:
                guard let high = next() else { return false }
                distance = high << 3 + (instruction >> 2) & 7 + 1
                length = instruction >> 5 + 1
                tail = instruction & 3
            }
            guard copyMatch(distance: distance, length: length), copyLiterals(tail) else { return false }
            literals = tail
        }
        return false
    }

    private mutating func next() -> Int? {
        guard position < input.count else { return nil }
        defer { position += 1 }
        return Int(input[position])
    }

    private mutating func nextWord() -> Int? {
        guard let low = next(), let high = next() else { return nil }
        return low | high << 8
    }

    /// A length that, when its bits are 0, goes on in the next bytes.
    private mutating func longLength(_ instruction: Int, mask: Int, beyond: Int) -> Int? {
        if instruction & mask != 0 { return instruction & mask + beyond }
        var length = mask + beyond
        while let byte = next() {
            if byte != 0 { return length + byte }
            length += 255
            // No output is that long.
            guard length <= output.count else { return nil }
        }
        return nil
    }

    private mutating func copyLiterals(_ count: Int) -> Bool {
        guard count <= input.count - position, count <= output.count - written else { return false }
        UnsafeMutableRawBufferPointer(rebasing: output[written..<written + count]).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: input[position..<position + count]))
        position += count
        written += count
        return true
    }

    /// Byte by byte: what is copied may reach into what it makes.
    private mutating func copyMatch(distance: Int, length: Int) -> Bool {
        guard distance <= written, length <= output.count - written else { return false }
        for index in written..<written + length { output[index] = output[index - distance] }
        written += length
        return true
    }
}
