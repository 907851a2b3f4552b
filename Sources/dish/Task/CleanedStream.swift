import CLinux
import Glibc
import Linux

/// What a program prints that shows a task's own words, cleaned on its way to a terminal.
struct CleanedStream {
    /// What the program gets for its output.
    let descriptor: CInt
    /// The end of a pipe that is readable when all is printed; nil where nothing is cleaned.
    private let finished: CInt?

    /// - Parameters:
    ///   - target: where it goes; what is no terminal gets all as it is.
    ///   - raw: whether a terminal does, too.
    init(to target: CInt, raw: Bool) throws {
        guard !raw, isatty(target) != 0 else {
            (descriptor, finished) = (target, nil)
            return
        }
        var (output, done): ([CInt], [CInt]) = ([-1, -1], [-1, -1])
        try retryingInterrupts("create pipe") { dish_pipe(&output) }
        try retryingInterrupts("create pipe") { dish_pipe(&done) }
        let (source, end) = (output[0], done[1])
        try startThread {
            Self.pass(source, to: target)
            close(source)
            close(end)
        }
        (descriptor, finished) = (output[1], done[0])
    }

    /// Waits until all is printed, once the program has ended.
    func finish() {
        guard let finished else { return }
        close(descriptor)
        _ = try? Files.read(OwnedFD(adopting: finished), "pipe")
    }

    private static func pass(_ source: CInt, to target: CInt) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        var text = PrintableStream()
        while true {
            let count = read(source, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            guard (try? Files.write(text.clean(Array(buffer[..<count])), to: target, "terminal")) != nil else { return }
        }
        try? Files.write(text.end(), to: target, "terminal")
    }
}
