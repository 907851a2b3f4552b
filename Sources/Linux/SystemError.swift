public import Glibc

/// A system call that failed: what was being done, to which object, and why.
///
/// It prints like `create subvolume '/pool/staging/x': No space left on device`.
public struct SystemError: Error, CustomStringConvertible, Equatable {
    /// What was being done, as a verb phrase: "create subvolume".
    public let operation: String
    /// The path, device or name it was done to; nil when there is none.
    public let object: String?
    /// The value of `errno`.
    public let code: CInt

    /// Captures `errno` unless a code is given: make it before anything else runs.
    public init(_ operation: String, _ object: String? = nil, code: CInt = errno) {
        self.operation = operation
        self.object = object
        self.code = code
    }

    public var description: String {
        let reason = String(cString: strerror(code))
        guard let object else { return "\(operation): \(reason)" }
        return "\(operation) '\(object)': \(reason)"
    }
}

/// Calls `body` until it isn't interrupted by a signal.
///
/// - Throws: `SystemError` when the result is -1.
@discardableResult
public func retryingInterrupts<Result: SignedInteger>(
    _ operation: @autoclosure () -> String,
    _ object: @autoclosure () -> String? = nil,
    _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = errno
        if code != EINTR { throw SystemError(operation(), object(), code: code) }
    }
}
