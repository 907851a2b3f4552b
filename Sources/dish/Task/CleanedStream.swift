import CLinux
import Glibc
import Linux

/// The output of a program that shows a task's own words, cleaned on its way to a terminal. The program has a pipe, never the terminal.
struct CleanedStream {
    /// What the program gets for its output.
    let descriptor: CInt
    /// The end of a pipe that is readable when all is printed.
    private let finished: CInt

    /// - Parameters:
    ///   - target: where it goes; what is no terminal gets all as it is.
    ///   - raw: whether a terminal does, too.
    init(to target: CInt, raw: Bool) throws {
        let isCleaned = !raw && isatty(target) != 0
        var (output, done): ([CInt], [CInt]) = ([-1, -1], [-1, -1])
        try retryingInterrupts("create pipe") { dish_pipe(&output) }
        try retryingInterrupts("create pipe") { dish_pipe(&done) }
        let (source, end) = (output[0], done[1])
        try startThread {
            Self.pass(source, to: target, isCleaned)
            close(source)
            close(end)
        }
        (descriptor, finished) = (output[1], done[0])
    }

    /// Waits until all is printed, once the program has ended.
    func finish() {
        close(descriptor)
        _ = try? Files.read(OwnedFD(adopting: finished), "pipe")
    }

    private static func pass(_ source: CInt, to target: CInt, _ isCleaned: Bool) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        var text = PrintableStream()
        while true {
            let count = read(source, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            let bytes = Array(buffer[..<count])
            let shown = isCleaned ? text.clean(bytes) : bytes
            guard (try? Files.write(shown, to: target, "standard output")) != nil else { return }
        }
        if isCleaned { try? Files.write(text.end(), to: target, "standard output") }
    }
}
