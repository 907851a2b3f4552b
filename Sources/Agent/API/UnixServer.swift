import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// Serves HTTP/1.1 on a Unix socket that listens already, be it systemd's or the agent's own.
///
/// Hummingbird's `Application` binds its sockets itself; this is the part of it that comes after.
struct UnixServer<Responder: HTTPResponder>: Sendable where Responder.Context == AgentRequestContext {
    let responder: Responder
    let logger: Logger

    /// Serves until it is cancelled.
    ///
    /// - Parameter descriptor: the socket; it is closed in the end.
    func run(_ descriptor: CInt, whenReady: @Sendable () async -> Void) async throws {
        let http = HTTP1Channel(
            responder: { [responder, logger] request, writer, channel in
                let context = AgentRequestContext(source: .init(channel: channel, logger: logger))
                let response = try await responder.respond(to: request, context: context)
                try await writer.write(response: response.head, body: response.body)
            },
            configuration: .init(additionalChannelHandlers: [ClientWatch()]))
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .bind(descriptor) { [logger] channel in http.setup(channel: channel, logger: logger) }
        await whenReady()
        try await server.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    group.addTask { [logger] in await http.handle(value: connection, logger: logger) }
                }
            }
        }
    }
}
