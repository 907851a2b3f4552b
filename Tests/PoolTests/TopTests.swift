import AgentAPI
import CLinux
import Fixtures
import FoundationEssentials
import Glibc
import Linux
import Testing

@Suite(.requiresRoot)
struct TopTests {
    private struct Seen {
        var status: Linux.ExitStatus
        var text: String
        /// Whether the terminal's settings are as they were.
        var isRestored: Bool
    }

    /// Runs `dish top` on a terminal of 80 columns, and does something once it shows a task.
    private func run(_ host: TestHost, _ name: String, _ body: (CInt, pid_t) async throws -> Void) async throws -> Seen {
        var other: CInt = -1
        let master = OwnedFD(adopting: dish_open_terminal(&other))
        let terminal = OwnedFD(adopting: other)
        dish_set_window_size(master.number, 24, 80)
        var before = termios()
        tcgetattr(terminal.number, &before)
        let pid = try host.start(["top", "--interval", "0.5"], on: terminal.number)
        var shown: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        func read(until isEnough: (String) -> Bool) async throws {
            for _ in 0..<400 where !isEnough(String(decoding: shown, as: UTF8.self)) {
                var polled = [pollfd(fd: master.number, events: Int16(POLLIN), revents: 0)]
                if poll(&polled, 1, 50) > 0 {
                    let count = Glibc.read(master.number, &chunk, chunk.count)
                    if count > 0 { shown += chunk[..<count] } else { return }
                }
            }
        }
        try await read { $0.contains(name) }
        try await body(master.number, pid)
        try await read { $0.hasSuffix("\u{1B}[?1049l") }
        let status = try await blocking { try ExitStatus.wait(for: pid) }
        var after = termios()
        tcgetattr(terminal.number, &after)
        return Seen(
            status: status, text: String(decoding: shown, as: UTF8.self),
            isRestored: before.c_lflag == after.c_lflag && before.c_iflag == after.c_iflag && before.c_oflag == after.c_oflag)
    }

    @Test func itIsSortedByKeysAndGivesTheTerminalBack() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            for (name, command) in [("calm", "sleep 1000"), ("busy", "while :; do :; done")] {
                let started = try await host.dish("run", "-d", "//os:base", "--name", name, "--", "/bin/sh", "-c", command)
                try #require(started.code == 0, "\(started)")
            }
            let once = try await host.dish("top", "--once")
            let (busy, calm) = (once.output.firstRange(of: "busy"), once.output.firstRange(of: "calm"))
            #expect(try #require(busy).lowerBound < #require(calm).lowerBound, "\(once)")
            #expect(!once.output.contains("\u{1B}"))
            let json = try await host.dish("top", "--json")
            #expect(try JSONDecoder().decode(HostUsage.self, from: Data(json.output.utf8)).tasks.count == 2)
            #expect(try await host.dish("top", "--sort", "size").code == 2)

            let quit = try await run(host, "busy") { master, _ in
                try Files.write("nr".utf8, to: master, "terminal")
                try await Task.sleep(for: .milliseconds(300))
                try Files.write("q".utf8, to: master, "terminal")
            }
            #expect(quit.status == .code(0) && quit.isRestored, "\(quit)")
            #expect(quit.text.hasPrefix("\u{1B}[?1049h\u{1B}[?25l") && quit.text.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"), "\(quit)")
            let screens = quit.text.split(separator: "\u{1B}[H").dropFirst()
            for line in screens.flatMap({ $0.split(separator: "\u{1B}[K") }) {
                #expect(line.filter { $0 != "\r\n" && $0 != "\u{1B}" }.count <= 80 + "[J[?25h[?1049l".count, "\(line)")
            }
            #expect(quit.text.contains("TASK") && quit.text.contains("q quit"))

            let ended = try await run(host, "busy") { _, pid in kill(pid, SIGTERM) }
            #expect(ended.isRestored && ended.text.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"), "\(ended)")
        }
    }
}
