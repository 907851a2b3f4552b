import Dispatch
import Glibc
import Linux
import TaskHelper

/// The agent's end of a helper's socket: its messages as a stream, which ends when the helper is gone.
///
/// Unchecked, because Dispatch doesn't mark its sources, which any thread may use, as sendable.
final class HelperWatch: @unchecked Sendable {
    let messages: AsyncStream<HelperMessage>
    private let connection: HelperConnection
    private let source: any DispatchSourceRead

    /// - Parameter deadline: milliseconds the helper may take to be there.
    static func connect(_ socket: String, deadline: Int) async throws -> HelperWatch {
        HelperWatch(try await blocking { try HelperConnection(socket, deadline: deadline) })
    }

    private init(_ connection: HelperConnection) {
        self.connection = connection
        let (messages, continuation) = AsyncStream.makeStream(of: HelperMessage.self)
        self.messages = messages
        source = DispatchSource.makeReadSource(fileDescriptor: connection.descriptor, queue: .global())
        let source = source
        source.setEventHandler {
            // All there is: Dispatch tells of the last message and of the end in one event.
            let arrived = connection.receiveArrived()
            for message in arrived.messages { continuation.yield(message) }
            if arrived.isOver {
                continuation.finish()
                source.cancel()
            }
        }
        // The handler keeps the descriptor open until Dispatch has let go of it.
        source.setCancelHandler { withExtendedLifetime(connection) {} }
        source.resume()
    }

    deinit { source.cancel() }

    /// Never waits: a helper that hangs must not hold the agent up.
    func send(_ message: HelperMessage) throws {
        guard try connection.sendNow(message) else { throw SystemError("send to the task's helper", code: EAGAIN) }
    }
}
