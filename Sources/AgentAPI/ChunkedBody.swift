/// Takes apart a body that is sent in pieces (RFC 9112, section 7.1), however the network has cut it.
struct ChunkedBody {
    private enum State {
        case size
        case data(left: Int)
        /// The end of line after a piece.
        case end
        case over
    }

    private var state = State.size
    private var line: [UInt8] = []

    /// Whether its last piece was seen. What may come after it isn't read.
    var isOver: Bool {
        if case .over = state { return true }
        return false
    }

    /// The content of what has arrived; nil for what is no such body.
    mutating func take(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var (content, rest) = ([UInt8](), bytes)
        while let byte = rest.first {
            switch state {
            case .over: return content
            case .data(let left):
                let piece = rest.prefix(left)
                content += piece
                rest = rest.dropFirst(piece.count)
                state = piece.count == left ? .end : .data(left: left - piece.count)
            case .size, .end:
                rest = rest.dropFirst()
                guard byte == UInt8(ascii: "\n") else {
                    line.append(byte)
                    guard line.count < 1024 else { return nil }
                    continue
                }
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                if case .end = state {
                    guard line.isEmpty else { return nil }
                    state = .size
                    continue
                }
                let digits = String(decoding: line.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
                guard let size = Int(digits, radix: 16), size >= 0 else { return nil }
                line = []
                state = size == 0 ? .over : .data(left: size)
            }
        }
        return content
    }
}
