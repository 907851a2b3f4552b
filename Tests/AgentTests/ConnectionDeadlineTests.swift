import Glibc
import HTTPTypes
import HummingbirdCore
import Linux
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import Agent

/// Finishes a stream when its connection is closed.
private final class CloseObserver: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Never

    private let closed: AsyncStream<Void>.Continuation?

    init(_ closed: AsyncStream<Void>.Continuation?) { self.closed = closed }

    func channelInactive(context: ChannelHandlerContext) {
        closed?.finish()
        context.fireChannelInactive()
    }
}

/// Clients that don't send what they announce, or don't read what they asked for.
@Suite struct ConnectionDeadlineTests {
    private static let long = 64 << 20

    /// Runs a body with a server whose connections have 0.4 s of patience. `/long` answers with many bytes, `/slow` with a few over
    /// a long time.
    ///
    /// - Parameter closed: Finished when the server has closed its first connection.
    private func withServer(closed: AsyncStream<Void>.Continuation? = nil, _ body: (Int) async throws -> Void) async throws {
        let limits = ConnectionLimits(most: 10, ofPeer: 10)
        let http = HTTP1Channel(
            responder: { request, writer, _ in
                _ = try await request.body.collect(upTo: 1000)
                let isLong = request.uri.path == "/long"
                var writer = try await writer.writeHead(HTTPResponse(status: .ok))
                for _ in 0..<(isLong ? Self.long >> 16 : 12) {
                    try await writer.write(ByteBuffer(repeating: 1, count: isLong ? 1 << 16 : 1))
                    if !isLong { try await Task.sleep(for: .milliseconds(100)) }
                }
                try await writer.finish(nil)
            },
            configuration: .init(
                additionalChannelHandlers: [ConnectionHandler(limits, patience: .milliseconds(400)), CloseObserver(closed)]))
        let logger = Logger(label: "test")
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { http.setup(channel: $0, logger: logger) }
        let port = try #require(server.channel.localAddress?.port)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.executeThenClose { connections in
                    try await withThrowingDiscardingTaskGroup { group in
                        for try await connection in connections {
                            group.addTask { await http.handle(value: connection, logger: logger) }
                        }
                    }
                }
            }
            try await body(port)
            group.cancelAll()
        }
    }

    private func connect(_ port: Int, _ text: String) -> CInt {
        let number = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = UInt16(port).bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        _ = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        _ = send(number, text, text.utf8.count, CInt(MSG_NOSIGNAL))
        return number
    }

    /// The number of bytes until the connection is closed; nil when nothing comes for a minute.
    private func readAll(_ number: CInt) async throws -> Int? {
        try await blocking {
            var (total, buffer) = (0, [UInt8](repeating: 0, count: 1 << 16))
            var timeout = timeval(tv_sec: 60, tv_usec: 0)
            setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            while true {
                let count = recv(number, &buffer, buffer.count, 0)
                if count < 0, errno == EAGAIN { return nil }
                if count <= 0 { return total }
                total += count
            }
        }
    }

    @Test func aBodyThatTricklesInEndsItsConnection() async throws {
        try await withServer { port in
            let number = connect(port, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n")
            defer { close(number) }
            for _ in 0..<10 {
                _ = send(number, "x", 1, CInt(MSG_NOSIGNAL))
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(try await readAll(number) == 0)
        }
    }

    @Test(.timeLimit(.minutes(1))) func anAnswerThatNobodyReadsEndsItsConnection() async throws {
        let (closed, continuation) = AsyncStream.makeStream(of: Void.self)
        try await withServer(closed: continuation) { port in
            let number = connect(port, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
            defer { close(number) }
            // A client sees the end behind what it hasn't read: only the server knows.
            for await _ in closed {}
            let count = try #require(try await readAll(number))
            #expect(count < Self.long)
        }
    }

    @Test func aStreamThatIsReadGoesOn() async throws {
        try await withServer { port in
            let number = connect(port, "GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            defer { close(number) }
            let count = try #require(try await readAll(number))
            // With the head, and each piece's length.
            #expect(count > 12 * 6)
        }
    }
}
