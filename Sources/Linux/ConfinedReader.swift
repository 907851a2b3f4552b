import CLinux
public import Glibc

/// A program of the host that reads what something hostile wrote: a directory, which it sees read-only at `/tree`, or one open file,
/// which is its standard input. It sees the host's programs and libraries beside. It has ids of its own, no network, no other
/// processes, no terminal, no keyring, only the system calls of a parser, and limits.
public struct ConfinedReader: Sendable {
    /// Where the directory is for it.
    public static let place = "/tree"

    public var program: String
    public var arguments: [String]
    public var environment: [String: String]
    /// Bytes of memory that are its own.
    public var memory: UInt64 = 512 << 20
    public var processorSeconds: UInt64 = 120
    /// First of its 65,536 ids on the host: out of reach of tasks' and of builds'.
    public var firstID: UInt32 = 1_879_048_192

    public init(_ program: String, _ arguments: [String], environment: [String: String] = Spawn.plainEnvironment) {
        self.program = program
        self.arguments = arguments
        self.environment = environment
    }

    /// Starts it. It is killed should this thread end first.
    ///
    /// - Parameter directory: what it reads; its owners are mapped to the ids that the program has.
    public func start(
        on directory: borrowing OwnedFD, output: CInt, errors: CInt
    ) throws(SystemError) -> pid_t {
        try start(directory: directory.number, input: -1, output: output, errors: errors)
    }

    /// Starts it on a file, without a directory.
    func start(reading file: CInt, output: CInt, errors: CInt) throws(SystemError) -> pid_t {
        try start(directory: -1, input: file, output: output, errors: errors)
    }

    private func start(directory: CInt, input: CInt, output: CInt, errors: CInt) throws(SystemError) -> pid_t {
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + variables { free(text) } }
        var request = dish_confined_request()
        request.input = input
        request.output = output
        request.errors = errors
        request.directory = directory
        request.first_id = firstID
        request.memory = memory
        request.processor_seconds = processorSeconds
        var step: UnsafePointer<CChar>?
        let program = program
        let (child, code) = program.withCString { path in
            words.withUnsafeMutableBufferPointer { words in
                variables.withUnsafeMutableBufferPointer { variables in
                    request.program = path
                    request.arguments = UnsafePointer(words.baseAddress)
                    request.environment = UnsafePointer(variables.baseAddress)
                    let child = dish_spawn_confined(&request, &step)
                    return (child, errno)
                }
            }
        }
        guard child >= 0 else {
            throw SystemError("confine '\(program)': \(step.map { String(cString: $0) } ?? "")", code: code)
        }
        return child
    }
}
