import Glibc
import Linux

/// One HTTP/1.1 exchange over a Unix socket (RFC 9112), as the agent speaks it: each connection carries one request,
/// and an answer has a `Content-Length`.
///
/// A command asks one or two things and ends. A client library with its event loops and connection pools takes longer to
/// start than the agent to answer, and that time would be in every launch of a task.
struct UnixHTTP: AgentTransport {
    let socket: String

    var place: String { socket }

    func exchange(
        _ method: String, _ path: String, headers: [String], body: [UInt8]?, silence seconds: Int
    ) async throws -> AgentAnswer {
        try await reaching {
            try await blocking { try answer(method, path, headers: headers, body: body, silence: seconds) }
        }
    }

    func stream(
        _ path: String, silence seconds: Int, onBytes: @escaping @Sendable ([UInt8]) throws -> Bool
    ) async throws -> AgentAnswer? {
        try await reaching { try await blocking { try receive(path, silence: seconds, onBytes: onBytes) } }
    }

    private func reaching<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as SystemError {
            let advice = error.code == EACCES ? "try again with sudo" : "start it: dishd"
            let text = "cannot reach the agent at \(socket): \(String(cString: strerror(error.code))); \(advice)"
            throw error.code == ECONNREFUSED || error.code == ENOENT ? AgentAway(description: text) : AgentError(.failed, text)
        }
    }

    private static let longestHead = 64 * 1024
    private static let longestBody = 64 << 20

    /// Blocks until the whole answer is here.
    ///
    /// - Parameter seconds: how long the agent may be silent.
    /// - Throws: `SystemError` where nobody listens; `AgentError` for what isn't HTTP.
    private func answer(
        _ method: String, _ path: String, headers: [String], body: [UInt8]?, silence seconds: Int
    ) throws -> AgentAnswer {
        let connection = try send(method, path, headers: headers, body: body, silence: seconds)
        var received: [UInt8] = []
        var parsed: (head: Head, bodyStart: Int)?
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            if let parsed, received.count - parsed.bodyStart >= parsed.head.length {
                let body = received[parsed.bodyStart..<parsed.bodyStart + parsed.head.length]
                return AgentAnswer(status: parsed.head.status, body: Array(body))
            }
            let number = connection.number
            let count = try Self.whileItIsThere { () throws(SystemError) in
                try retryingInterrupts("read the agent's answer from", socket) { read(number, &chunk, chunk.count) }
            }
            guard count > 0 else { throw AgentLost() }
            received += chunk[..<count]
            if parsed == nil, let end = Self.endOfHead(received) {
                parsed = (try parse(received[..<end]), end)
            } else if parsed == nil, received.count > Self.longestHead {
                throw malformed("its head is too long")
            }
        }
    }

    /// Passes an answer's body on as it comes, until the agent ends it or the callback has had enough.
    ///
    /// - Parameter onBytes: what came; false ends it.
    /// - Returns: the answer where it is one of a known length: an error, most often.
    private func receive(
        _ path: String, silence seconds: Int, onBytes: ([UInt8]) throws -> Bool
    ) throws -> AgentAnswer? {
        let connection = try send("GET", path, headers: [], body: nil, silence: seconds)
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        let number = connection.number
        func more() throws -> ArraySlice<UInt8> {
            chunk[..<(try retryingInterrupts("read the agent's answer from", socket) { read(number, &chunk, chunk.count) })]
        }
        while Self.endOfHead(received) == nil {
            let bytes = try more()
            guard !bytes.isEmpty, received.count < Self.longestHead else { throw malformed("it ends too early") }
            received += bytes
        }
        guard let start = Self.endOfHead(received) else { return nil }
        if let head = try? parse(received[..<start]) {
            while received.count - start < head.length {
                let bytes = try more()
                guard !bytes.isEmpty else { throw malformed("it ends too early") }
                received += bytes
            }
            return AgentAnswer(status: head.status, body: Array(received[start..<start + head.length]))
        }
        var body = ChunkedBody()
        var rest = received[start...]
        while true {
            guard let content = body.take(rest) else { throw malformed("its pieces are none") }
            if !content.isEmpty, try !onBytes(content) { return nil }
            if body.isOver { return nil }
            rest = try more()
            if rest.isEmpty { return nil }
        }
    }

    private func send(
        _ method: String, _ path: String, headers: [String], body: [UInt8]?, silence seconds: Int
    ) throws -> OwnedFD {
        let connection = try UnixSocket.connect(socket)
        var timeout = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(connection.number, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var head = "\(method) \(path) HTTP/1.1\r\nHost: dishd\r\nConnection: close\r\n"
        for header in headers { head += "\(header)\r\n" }
        if let body { head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
        let (number, bytes) = (connection.number, Array("\(head)\r\n".utf8) + (body ?? []))
        try Self.whileItIsThere { () throws(SystemError) in try Files.write(bytes, to: number, socket) }
        return connection
    }

    /// - Throws: `AgentLost` where the other end has closed the connection.
    private static func whileItIsThere<Result>(_ body: () throws(SystemError) -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            if error.code == EPIPE || error.code == ECONNRESET { throw AgentLost() }
            throw error
        }
    }

    private struct Head {
        let status: Int
        let length: Int
    }

    private func parse(_ bytes: ArraySlice<UInt8>) throws -> Head {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]), (100..<600).contains(status) else {
            throw malformed("it is no HTTP")
        }
        let length = lines.lazy.compactMap { line -> Int? in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "content-length" else { return nil }
            return Int(parts[1].filter { $0 != " " })
        }.first
        guard let length, (0...Self.longestBody).contains(length) else { throw malformed("it doesn't say how long it is") }
        return Head(status: status, length: length)
    }

    /// The position after the empty line.
    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        let mark = Array("\r\n\r\n".utf8)
        guard bytes.count >= mark.count else { return nil }
        return (0...bytes.count - mark.count).first { bytes[$0..<$0 + mark.count].elementsEqual(mark) }.map { $0 + mark.count }
    }

    private func malformed(_ reason: String) -> AgentError {
        AgentError(.failed, "the answer of the agent at \(socket) can't be read: \(reason); is another program listening there?")
    }
}
