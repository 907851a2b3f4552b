import Btrfs
import CLinux
import Glibc
import Linux

/// What a stream does about a range of a file.
enum ContentStep {
    /// Bytes to write at an offset; only there during the call.
    case write(UInt64, UnsafeRawBufferPointer)
    /// A range that the old file has at the same offsets.
    case clone(Range<UInt64>)
    /// A range that becomes zeros.
    case punch(Range<UInt64>)
    case truncate(UInt64)
}

/// Compares a file with an old one, block by block, and says what makes the one of the other. What comes out depends on the
/// files' bytes alone, never on where or how they are stored.
struct FileContent {
    /// Bytes that are compared as one.
    static let block = 4096
    /// Bytes that one write holds at most; it begins at a multiple of it.
    static let window = 128 << 10

    enum Target {
        /// The file is the old one, and is changed.
        case changed
        /// The file is new and empty.
        case empty
    }

    private let file: CInt
    private let size: UInt64
    private let old: CInt?
    private let oldSize: UInt64
    private let target: Target
    private let path: String
    private var punched: Range<UInt64>?
    private var cloned: Range<UInt64>?
    /// The end of what was written or cloned.
    private var end: UInt64 = 0

    /// - Parameter old: the file to compare with; nil for none.
    init(
        _ file: borrowing OwnedFD, size: UInt64, old: CInt?, oldSize: UInt64, target: Target, path: String
    ) {
        self.file = file.number
        self.size = size
        self.old = old
        self.oldSize = old == nil ? 0 : oldSize
        self.target = target
        self.path = path
    }

    /// Calls with each step, in the order in which they must be done.
    ///
    /// - Parameters:
    ///   - same: ranges that are known to be equal in both. Only of a changed file.
    ///   - proves: whether these are read and compared all the same.
    mutating func steps(
        same: [Range<UInt64>], proves: Bool, _ body: (ContentStep) throws -> Void
    ) throws {
        if target == .changed, size != oldSize { try body(.truncate(size)) }
        let buffers = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * Self.window, alignment: Self.block)
        defer { buffers.deallocate() }
        let bytes = UnsafeMutableRawBufferPointer(rebasing: buffers[..<Self.window])
        let oldBytes = UnsafeMutableRawBufferPointer(rebasing: buffers[Self.window...])
        var same = same[...]
        var position: UInt64 = 0
        while position < size {
            try Cancellation.check()
            while let first = same.first, first.upperBound <= position { same.removeFirst() }
            if !proves, let first = same.first, first.contains(position) {
                // To the window in which the equal range ends.
                let next = min(first.upperBound, size) / UInt64(Self.window) * UInt64(Self.window)
                if next > position {
                    try flush(body)
                    position = next
                    continue
                }
                if first.upperBound >= size { break }
            }
            if let next = try afterHole(position) {
                try flush(body)
                position = next
                continue
            }
            let count = Int(min(UInt64(Self.window), size - position))
            try read(file, position, bytes, count)
            if let old, position < oldSize { try read(old, position, oldBytes, count) } else { clear(oldBytes) }
            if proves {
                for range in same.prefix(while: { $0.lowerBound < position + UInt64(count) }) {
                    try prove(range, position, count, bytes, oldBytes)
                }
            }
            try window(position, count, bytes, oldBytes, body)
            position += UInt64(count)
        }
        try flush(body)
        if target == .empty, end < size { try body(.truncate(size)) }
    }

    /// Where data begins again in one of the files, when both have a hole of a window or more at a window's beginning. Holes are zeros, so
    /// this changes nothing but how long it takes.
    private func afterHole(_ position: UInt64) throws -> UInt64? {
        var data = try Self.data(in: file, from: position, to: size, path)
        if let old { data = min(data, try Self.data(in: old, from: position, to: oldSize, path)) }
        if data >= size { return size }
        let next = data / UInt64(Self.window) * UInt64(Self.window)
        return next > position ? next : nil
    }

    /// Where a file has data next; `UInt64.max` where none follows.
    private static func data(in file: CInt, from position: UInt64, to end: UInt64, _ path: String) throws -> UInt64 {
        guard position < end else { return .max }
        let data = dish_seek_data(file, Int64(position))
        if data >= 0 { return UInt64(data) }
        guard errno == ENXIO else { throw SystemError("read", path) }
        return .max
    }

    private mutating func window(
        _ position: UInt64, _ count: Int, _ bytes: UnsafeMutableRawBufferPointer,
        _ oldBytes: UnsafeMutableRawBufferPointer, _ body: (ContentStep) throws -> Void
    ) throws {
        var run = 0..<0
        func write(_ run: Range<Int>) throws {
            guard !run.isEmpty else { return }
            try body(.write(position + UInt64(run.lowerBound), UnsafeRawBufferPointer(rebasing: bytes[run])))
        }
        for start in stride(from: 0, to: count, by: Self.block) {
            let range = start..<min(count, start + Self.block)
            let absolute = position + UInt64(range.lowerBound)..<position + UInt64(range.upperBound)
            switch kind(range, absolute, bytes, oldBytes) {
            case .write:
                try flush(body)
                run = run.upperBound == start && !run.isEmpty ? run.lowerBound..<range.upperBound : range
                end = max(end, absolute.upperBound)
                continue
            case .nothing: try flush(body)
            case .clone:
                try write(run)
                run = 0..<0
                end = max(end, absolute.upperBound)
                cloned = try extended(cloned, absolute, body)
            case .punch:
                try write(run)
                run = 0..<0
                punched = try extended(punched, absolute, body)
            }
            try write(run)
            run = 0..<0
        }
        try write(run)
    }

    private enum BlockKind { case nothing, write, clone, punch }

    private func kind(
        _ range: Range<Int>, _ absolute: Range<UInt64>, _ bytes: UnsafeMutableRawBufferPointer,
        _ oldBytes: UnsafeMutableRawBufferPointer
    ) -> BlockKind {
        let (new, old) = (bytes.baseAddress! + range.lowerBound, oldBytes.baseAddress! + range.lowerBound)
        let isEqual = memcmp(new, old, range.count) == 0
        switch target {
        case .changed:
            if isEqual { return .nothing }
            guard isZero(new, range.count) else { return .write }
            return .punch
        case .empty:
            if isZero(new, range.count) { return .nothing }
            return isEqual && range.count == Self.block && absolute.upperBound <= oldSize ? .clone : .write
        }
    }

    private func isZero(_ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
        Self.zeros.withUnsafeBytes { memcmp(bytes, $0.baseAddress!, count) == 0 }
    }

    private static let zeros = [UInt8](repeating: 0, count: block)

    private mutating func extended(
        _ range: Range<UInt64>?, _ next: Range<UInt64>, _ body: (ContentStep) throws -> Void
    ) throws -> Range<UInt64> {
        if let range, range.upperBound == next.lowerBound { return range.lowerBound..<next.upperBound }
        try flush(body)
        return next
    }

    private mutating func flush(_ body: (ContentStep) throws -> Void) throws {
        if let cloned { try body(.clone(cloned)) }
        if let punched { try body(.punch(punched)) }
        (cloned, punched) = (nil, nil)
    }

    /// - Throws: `PoolError` `.damaged` when the kernel's word that a range is shared isn't true of its bytes.
    private func prove(
        _ same: Range<UInt64>, _ position: UInt64, _ count: Int, _ bytes: UnsafeMutableRawBufferPointer,
        _ oldBytes: UnsafeMutableRawBufferPointer
    ) throws {
        let common = same.clamped(to: position..<position + UInt64(count))
        guard !common.isEmpty else { return }
        let offset = Int(common.lowerBound - position)
        guard memcmp(bytes.baseAddress! + offset, oldBytes.baseAddress! + offset, common.count) == 0 else {
            throw PoolError(
                .damaged,
                "the extents of '\(path)' at \(common.lowerBound) are shared, yet their content differs; check the pool: btrfs scrub"
            )
        }
    }

    /// Reads; what is beyond the end is zeros.
    private func read(
        _ descriptor: CInt, _ position: UInt64, _ buffer: UnsafeMutableRawBufferPointer, _ count: Int
    ) throws {
        var done = 0
        while done < count {
            let got = try retryingInterrupts("read", path) {
                pread(descriptor, buffer.baseAddress! + done, count - done, off_t(position) + off_t(done))
            }
            if got == 0 { break }
            done += got
        }
        if done < buffer.count {
            (buffer.baseAddress! + done).initializeMemory(as: UInt8.self, repeating: 0, count: buffer.count - done)
        }
    }

    private func clear(_ buffer: UnsafeMutableRawBufferPointer) { buffer.initializeMemory(as: UInt8.self, repeating: 0) }
}
