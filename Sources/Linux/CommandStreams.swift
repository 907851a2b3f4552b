import CLinux
import Glibc

/// A running program's pipes: reads two and feeds a third until the program and its output have ended.
struct Streams {
    enum End {
        case complete
        /// The program has ended, and something else holds its output open.
        case heldOpen
        /// The deadline came first.
        case late
        case cancelled
    }

    private var outputFD: CInt
    private var errorsFD: CInt
    private var inputFD: CInt
    /// A pidfd of the program.
    private let endingFD: CInt
    /// Readable once the command is cancelled; -1 when it can't be.
    private let cancellingFD: CInt
    private(set) var outputBytes: [UInt8] = []
    private(set) var errorBytes: [UInt8] = []
    /// Whether there was more than the limit.
    private(set) var isCut = false
    private let limit: Int
    /// The most that a pipe may hold without being root: pipe(7).
    private static let longestPipe = 1 << 20

    init(output: CInt, errors: CInt, input: CInt, ending: CInt, cancelling: CInt, limit: Int) {
        outputFD = output
        errorsFD = errors
        inputFD = input
        endingFD = ending
        cancellingFD = cancelling
        self.limit = limit
        for descriptor in [output, errors, input] { _ = dish_fcntl(descriptor, F_SETFL, Int(O_NONBLOCK)) }
    }

    /// - Parameters:
    ///   - deadline: for the program and its output together.
    ///   - grace: how long output may be held open after the program's end.
    mutating func pump(
        _ input: [UInt8], until deadline: ContinuousClock.Instant?, grace: Duration, _ onOutput: (([UInt8]) -> Void)?
    ) -> End {
        defer { close() }
        var pending = input[...]
        if pending.isEmpty { Self.shut(&inputFD) }
        var ended: ContinuousClock.Instant?
        while ended == nil || outputFD >= 0 || errorsFD >= 0 {
            let until = ended.map { min($0 + grace, deadline ?? $0 + grace) } ?? deadline
            if let until, until <= .now {
                guard ended != nil else { return .late }
                // What the program itself wrote is in the pipes.
                take(onOutput, upTo: Self.longestPipe)
                return outputFD < 0 && errorsFD < 0 ? .complete : .heldOpen
            }
            var polled = [
                pollfd(fd: outputFD, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errorsFD, events: Int16(POLLIN), revents: 0),
                pollfd(fd: inputFD, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: ended == nil ? endingFD : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: cancellingFD, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&polled, 5, until.map { Self.milliseconds(until: $0) } ?? -1) >= 0 || errno == EINTR else { break }
            if polled[4].revents != 0 { return .cancelled }
            if polled[3].revents != 0 { ended = .now }
            if polled[0].revents != 0 { read(isErrors: false, onOutput) }
            if polled[1].revents != 0 { read(isErrors: true, onOutput) }
            if polled[2].revents != 0 {
                let count = pending.withUnsafeBytes { write(inputFD, $0.baseAddress!, $0.count) }
                if count > 0 { pending = pending.dropFirst(count) }
                if pending.isEmpty || (count < 0 && errno != EAGAIN && errno != EINTR) { Self.shut(&inputFD) }
            }
        }
        return .complete
    }

    private static func milliseconds(until moment: ContinuousClock.Instant) -> CInt {
        let left = (moment - .now).components
        return CInt(max(0, min(60_000, left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000 + 1)))
    }

    /// Reads what has arrived, without waiting.
    private mutating func take(_ onOutput: (([UInt8]) -> Void)?, upTo most: Int) {
        var count = 0
        while count < most, outputFD >= 0, let length = read(isErrors: false, onOutput) { count += length }
        count = 0
        while count < most, errorsFD >= 0, let length = read(isErrors: true, onOutput) { count += length }
    }

    /// - Returns: how many bytes there were; nil for none yet.
    @discardableResult
    private mutating func read(isErrors: Bool, _ onOutput: (([UInt8]) -> Void)?) -> Int? {
        let descriptor = isErrors ? errorsFD : outputFD
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = Glibc.read(descriptor, &chunk, chunk.count)
        if count > 0 {
            let kept = max(0, min(count, limit - (isErrors ? errorBytes.count : outputBytes.count)))
            if kept < count { isCut = true }
            if isErrors { errorBytes += chunk[..<kept] } else { outputBytes += chunk[..<kept] }
            onOutput?(Array(chunk[..<count]))
            return count
        }
        if count == 0 || errno != EINTR && errno != EAGAIN {
            if isErrors { Self.shut(&errorsFD) } else { Self.shut(&outputFD) }
        }
        return nil
    }

    private mutating func close() {
        Self.shut(&inputFD)
        Self.shut(&outputFD)
        Self.shut(&errorsFD)
    }

    private static func shut(_ descriptor: inout CInt) {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }
}
