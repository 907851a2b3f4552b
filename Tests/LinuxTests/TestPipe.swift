import Glibc
import Linux

/// A pipe to a spawned program.
struct TestPipe {
    private let reading: CInt
    let writing: CInt

    init() {
        var ends: [CInt] = [-1, -1]
        pipe(&ends)
        (reading, writing) = (ends[0], ends[1])
    }

    /// What the program writes until it ends.
    func readToEnd() throws -> String {
        close(writing)
        return String(decoding: try Files.read(OwnedFD(adopting: reading), "pipe"), as: UTF8.self)
    }
}
