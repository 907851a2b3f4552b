import AgentAPI
import ArgumentParser
import Layers

/// Does something to each of the things that a command names. What fails for one doesn't keep the others from it, and is reported.
///
/// - Throws: the error, when there is one name; an exit code when several were named and some failed.
func forEach(_ names: [String], _ body: (String) async throws -> Void) async throws {
    guard names.count > 1 else {
        for name in names { try await body(name) }
        return
    }
    var hasFailed = false
    for name in names {
        do {
            try await body(name)
        } catch let error where !(error is CancellationError) && !(error is ExitCode) {
            print("dish: \(error)", to: .errors)
            hasFailed = true
        }
    }
    if hasFailed { throw ExitCode(1) }
}

/// Consent to names of nothing.
struct MissingOption: ParsableArguments {
    @Flag(name: .shortAndLong, help: "What isn't there is no error.")
    var force = false

    /// Does something, and accepts that what it is about isn't there if that was asked for.
    func accepting(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as AgentError where error.code == .notFound && force {
        } catch let error as PoolError where [.unknownImage, .unknownVolume].contains(error.code) && force {
        }
    }
}
