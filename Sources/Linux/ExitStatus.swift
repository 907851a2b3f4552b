import CLinux
public import Glibc

/// How a process ended.
public enum ExitStatus: Sendable, Equatable, CustomStringConvertible {
    case code(CInt)
    case signal(CInt)

    /// From the status that waitpid(2) gives.
    public init(waitStatus: CInt) {
        self =
            dish_wait_exited(waitStatus) != 0
            ? .code(dish_wait_exit_code(waitStatus)) : .signal(dish_wait_signal(waitStatus))
    }

    public var isSuccess: Bool { self == .code(0) }

    /// The shell's convention: the code, or 128 and the signal.
    public var shellCode: CInt {
        switch self {
        case .code(let code): code
        case .signal(let signal): 128 + signal
        }
    }

    public var description: String {
        switch self {
        case .code(let code): "exit code \(code)"
        case .signal(let signal): "killed by signal \(signal)"
        }
    }

    /// Waits for a child.
    public static func wait(for child: pid_t) throws(SystemError) -> ExitStatus {
        var status: CInt = 0
        try retryingInterrupts("wait for process", String(child)) { waitpid(child, &status, 0) }
        return ExitStatus(waitStatus: status)
    }
}
