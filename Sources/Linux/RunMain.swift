import Glibc

/// Runs a program's asynchronous part while the main thread sleeps, and ends the process with its exit code.
///
/// An asynchronous `main` would end the main thread by unwinding it, for which a statically linked program first sorts
/// the table of all its functions: tens of milliseconds.
public func runMain(_ body: @escaping @Sendable () async -> CInt) -> Never {
    Task.detached { exit(await body()) }
    while true { pause() }
}
