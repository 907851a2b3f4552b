import AgentAPI
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// Names that people and tasks can choose, and that would run or break something if they were taken for anything but text.
@Suite(.requiresRoot, .serialized)
struct HostileNameTests {
    /// Without the slash, which is no part of a name.
    private static let text = "<script>window.broken=1;\"'\n\u{202E}🦊é&amp;`${1}\\:,%2e"

    private func withBrowser(_ body: (Browser) async throws -> Void) async throws {
        let browser = try Browser()
        do {
            try await body(browser)
            #expect(try await browser.evaluate("String(window.broken)") == "undefined")
            #expect(try await browser.evaluate("document.scripts.length + document.images.length") == 1)
            #expect(try await browser.troubles() == [])
            await browser.close()
        } catch {
            await browser.close()
            throw error
        }
    }

    @Test func everyViewOfThePageShowsThemAsText() async throws {
        let page = try await HostilePage(tasks: 6)
        try await withBrowser { browser in
            for width in [1280, 400] {
                func look(_ view: String, _ isThere: String) async throws {
                    try await browser.open("\(page.url)\(view)", width: width, dark: width == 400)
                    #expect(
                        try await browser.wait("document.querySelector('\(isThere)')?.textContent.includes('<script>window')"),
                        "\(view)")
                    let wide: Int = try await browser.evaluate("document.documentElement.scrollWidth")
                    #expect(wide <= width, "\(view) is \(wide) wide")
                }
                try await look("#/", "tbody a")
                let task: String = try await browser.evaluate("document.querySelector('tbody a').hash")
                try await look(task, ".console .lines")
                let past: String = try await browser.evaluate("document.querySelector('a[href^=\"#/past/\"]').hash")
                try await look(past, "[data-moment]:nth-child(2)")
                for (button, answer) in [("count", "[data-moment] [data-value]"), ("compare", ".changes li")] {
                    let _: Int = try await browser.evaluate("document.getElementById('\(button)').click() ?? 1")
                    #expect(try await browser.wait("document.querySelector('\(answer)')"), "\(button)")
                }
                let wide: Int = try await browser.evaluate("document.documentElement.scrollWidth")
                #expect(wide <= width, "what changed is \(wide) wide")
                try await look("#/pool", "[data-device]")
                try await look("#/events", ".events li")
            }
        }
    }

    @Test func aPoolOfSuchAPathIsNoDifferentFromOthers() async throws {
        let path = try Scratch.make("hostile") + "/\(Self.text)"
        let host = try TestHost(pool: path)
        do {
            try await use(host, path)
        } catch {
            await host.takeDown(path, [])
            throw error
        }
        let destroyed = try await host.dish("pool", "destroy", "--yes", path)
        #expect(destroyed.code == 0 && !Files.exists(path), "\(destroyed)")
    }

    private func use(_ host: TestHost, _ path: String) async throws {
        let made = try await host.dish("pool", "create", path, "--size", "1G")
        try #require(made.code == 0, "\(made)")
        let pool = try Pool(at: path)
        try await CheckedImage.make(in: pool)
        // A name of an image has no blanks; all else it may have.
        let tag = String(Self.text.filter { $0 != "\n" })
        #expect(try await host.dish("image", "tag", CheckedImage.name, tag).code == 0)
        for refused in [["volume", "create", Self.text], ["job", "rollback", Self.text]] {
            #expect(try await host.dish(arguments: refused).code != 0)
        }
        try #require(try await host.dish("volume", "create", "data").code == 0)
        let port = try FreePort.tcp()
        try await host.withAgent(["--web", "\(port)"]) { _ in
            let named = try await host.dish("run", "-d", "--name", Self.text, tag, "--", "/bin/sleep", "9")
            #expect(named.code != 0 && !named.errors.contains("\u{202E}"), "\(named)")
            let started = try await host.dish(
                "run", "-d", "--name", "plain", "--network", "none", "--env", "TEXT=\(Self.text)", "--volume",
                "data:/srv/\(tag.filter { $0 != ":" })", tag, "--", "/bin/sh", "-c",
                "echo \"$TEXT\"; echo \"$TEXT\" > \"/$TEXT\"; exec sleep 600")
            try #require(started.code == 0, "\(started)")
            #expect(try await host.dish("logs", "plain").output.contains("<script>window.broken=1;"))
            let unit = try await host.dish("logs", "plain", "--unit", Self.text)
            #expect(unit.code == 1 && unit.errors.contains("has no journal"), "\(unit)")
            #expect(try await host.dish("snapshot", "plain", Self.text).code != 0)
            try #require(try await host.dish("snapshot", "plain", "first").code == 0)
            for command in [
                ["pool", "ls"], ["pool", "show"], ["pool", "usage", "--refresh"], ["pool", "usage", "--of", "plain"],
                ["pool", "scrub"],
                ["host", "doctor"], ["image", "ls"], ["image", "history", tag, "--changes"], ["history", "plain", "--changes"],
                ["diff", "plain"], ["restore", "plain", "/etc/os-release", "--from", "image"], ["ps"],
                ["volume", "ls"],
            ] {
                let outcome = try await host.dish(arguments: command)
                #expect(outcome.code == 0 && !outcome.output.contains("\u{202E}"), "\(command): \(outcome)")
            }
            try await scrape("http://127.0.0.1:\(port)/metrics", mentioning: [tag, path])
            try await withBrowser { browser in
                for (view, isThere) in [
                    ("#/", "tbody a"), ("#/task/plain", ".console .lines > div"), ("#/past/task/plain", "[data-moment]"),
                    ("#/pool", "[data-device]"), ("#/events", ".events li"),
                ] {
                    try await browser.open("http://127.0.0.1:\(port)/\(view)", width: 400)
                    #expect(try await browser.wait("document.querySelector('\(isThere)')"), "\(view)")
                    let wide: Int = try await browser.evaluate("document.documentElement.scrollWidth")
                    #expect(wide <= 400, "\(view) is \(wide) wide")
                }
            }
        }
        #expect(try await host.dish("volume", "rm", "data").code == 0)
    }

    /// What Prometheus' own parser says of it.
    private func scrape(_ url: String, mentioning names: [String]) async throws {
        let text = try await Command("/usr/bin/curl", ["--silent", "--fail", "--noproxy", "*", url]).run()
        for name in names {
            let escaped = name.flatMap { $0 == "\\" ? "\\\\" : $0 == "\"" ? "\\\"" : $0 == "\n" ? "\\n" : String($0) }
            #expect(text.text.contains("\"\(String(escaped))\""), "\(text.text)")
        }
        let promtool = try #require(Executable.find("promtool"), "install Debian's package prometheus")
        var check = Command(promtool, ["check", "metrics"])
        check.input = text.output
        let checked = try await check.run()
        #expect(checked.status.isSuccess && checked.errorText.isEmpty, "\(checked.text)\(checked.errorText)")
    }
}
