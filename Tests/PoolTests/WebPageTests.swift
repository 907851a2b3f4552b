import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// The agent's page in a real browser, and what it is made of.
@Suite(.requiresRoot)
struct WebPageTests {
    /// Runs a body with an agent that serves its page.
    private func withPage(_ body: (TestHost, String) async throws -> Void) async throws {
        let host = try await SharedPool.shared.host()
        let port = try FreePort.tcp()
        try await host.withAgent(["--web", "\(port)"]) { _ in
            let url = "http://127.0.0.1:\(port)"
            for _ in 0..<200 where try await curl(["\(url)/v1/agent"]).code != 0 { try await Task.sleep(for: .milliseconds(25)) }
            try await body(host, url)
        }
    }

    private func curl(_ arguments: [String]) async throws -> Outcome {
        let result = try await Command("/usr/bin/curl", ["--silent", "--fail", "--noproxy", "*", "--max-time", "20"] + arguments)
            .run()
        return Outcome(code: result.status.shellCode, output: result.text, errors: result.errorText)
    }

    private func status(_ arguments: [String]) async throws -> String {
        let result = try await Command(
            "/usr/bin/curl", ["--silent", "--noproxy", "*", "--output", "/dev/null", "--write-out", "%{http_code}"] + arguments
        ).run()
        return result.text
    }

    /// Says so when it runs, and breaks what isn't escaped.
    static let hostile = "<script>window.broken=1</script><img src=x onerror=window.broken=1>\"'&amp;`${1}🦊"

    @Test func theNumbersAreTheAPIsItIsLiveAndHostileTextRunsNowhere() async throws {
        try await withPage { host, url in
            let browser = try Browser()
            do {
                try await look(host, url, browser)
                await browser.close()
            } catch {
                await browser.close()
                throw error
            }
        }
    }

    private func look(_ host: TestHost, _ url: String, _ browser: Browser) async throws {
        try #require(try await host.dish("volume", "create", "webdata").code == 0)
        let script = "n=0; while :; do printf '%s\\033[31m\\n' \"tick $n $0\"; n=$((n+1)); sleep 0.5; done"
        let started = try await host.dish(
            "run", "-d", "//os:base", "--name", "hostile", "--disk", "100M", "--volume",
            "webdata:/srv/\(Self.hostile.filter { $0 != "/" })", "--",
            "/bin/sh", "-c", script, Self.hostile)
        try #require(started.code == 0, "\(started)")
        try await browser.open("\(url)/")
        #expect(try await browser.wait("document.querySelector('tbody a')?.textContent === 'hostile'"))
        #expect(try await browser.wait("document.querySelector('tbody td.disk .value').dataset.value !== ''"))
        let differences: [String] = try await browser.evaluate(
            """
            (async () => {
              const [format, stats] = [await import('/web/format.js'), await (await fetch('/v1/stats')).json()];
              const shown = (id) => document.getElementById(id).textContent;
              const wanted = {
                'host-name': stats.host.name, 'host-cpu-total': format.cores(stats.host.cpu.total),
                'host-memory-total': format.bytes(stats.host.memory.total), 'host-disk-total': format.bytes(stats.host.disk.total),
                'host-tasks': '1',
              };
              return Object.keys(wanted).filter((id) => shown(id) !== wanted[id]).map((id) => `${id}: ${shown(id)}, not ${wanted[id]}`);
            })()
            """)
        #expect(differences == [])

        // Another task comes and goes without the page being loaded again.
        let _: Int = try await browser.evaluate("window.loaded = 1")
        try #require(try await host.dish("run", "-d", "//os:base", "--name", "later", "--", "/bin/sleep", "1000").code == 0)
        #expect(try await browser.wait("[...document.querySelectorAll('tbody a')].some((a) => a.textContent === 'later')"))
        #expect(try await browser.wait("document.getElementById('host-tasks').textContent === '2'"))
        try #require(try await host.dish("rm", "--force", "later").code == 0)
        #expect(try await browser.wait("document.querySelectorAll('tbody tr').length === 1 && window.loaded === 1"))

        try #require(try await host.dish("snapshot", "hostile", "before").code == 0)
        let _: String = try await browser.evaluate("location.hash = '#/task/hostile'")
        #expect(
            try await browser.wait("document.querySelector('.console').textContent.includes('tick 3 ' + \(quoted(Self.hostile)))")
        )
        #expect(
            try await browser.wait(
                "[...document.querySelectorAll('dd')].some((d) => d.textContent.includes(\(quoted(Self.hostile))))"))
        #expect(try await browser.wait("[...document.querySelectorAll('dd')].some((d) => d.dataset.value === '104857600')"))
        #expect(
            try await browser.wait(
                "document.querySelector('.timeline .mark.good') && document.querySelector('.plain').textContent.includes('before')"
            ))
        let last: Int = try await browser.evaluate("document.querySelectorAll('.console .lines > div').length")
        #expect(try await browser.wait("document.querySelectorAll('.console .lines > div').length > \(last)"))

        try await lookBack(browser, host)

        let _: String = try await browser.evaluate("location.hash = '#/pool'")
        #expect(try await browser.wait("document.querySelectorAll('.treemap g').length > 2"))
        let unlike: [String] = try await browser.evaluate(
            """
            (async () => {
              const report = await (await fetch('/v1/pool/devices')).json();
              const shown = [...document.querySelectorAll('[data-device]')].map((row) => row.children[1].textContent);
              return report.devices.map((one) => one.path).filter((path, index) => path !== shown[index]);
            })()
            """)
        #expect(unlike == [])
        let layers: [String] = try await browser.evaluate(
            """
            (async () => {
              const map = await (await fetch('/v1/pool/map')).json();
              const shown = new Map([...document.querySelectorAll('[data-layer]')].map((row) => [row.dataset.layer, row.querySelector('[data-value]').dataset.value]));
              const lines = map.layers.filter((layer) => shown.get(layer.id) !== String(layer.own)).map((layer) => layer.label);
              return map.layers.length === shown.size ? lines : ['number of layers'];
            })()
            """)
        #expect(layers == [])
        let _: String = try await browser.evaluate("location.hash = '#/events'")
        #expect(try await browser.wait("document.querySelectorAll('.events li').length > 3"))

        for (view, dark) in [("", false), ("pool", true), ("events", false), ("task/hostile", true), ("past/task/hostile", true)]
        {
            try await browser.open("\(url)/#/\(view)", width: 400, dark: dark)
            #expect(try await browser.wait("document.getElementById('host-tasks').textContent === '1'"))
            #expect(
                try await browser.wait(
                    "document.querySelector('main tbody tr, .treemap g, .events li, .console .lines > div, [data-moment]')"))
            let width: Int = try await browser.evaluate("document.documentElement.scrollWidth")
            #expect(width <= 400, "\(view) is \(width) wide")
        }
        // From the keyboard: past the navigation, and to the filter.
        try await browser.open("\(url)/")
        #expect(try await browser.wait("document.querySelector('tbody tr')"))
        try await browser.press("Tab")
        #expect(try await browser.evaluate("document.activeElement.id") == "skip")
        try await browser.press("Enter")
        #expect(try await browser.evaluate("document.activeElement.id") == "main")
        try await browser.press("/")
        #expect(try await browser.evaluate("document.activeElement.id") == "filter")

        #expect(try await browser.evaluate("String(window.broken)") == "undefined")
        #expect(try await browser.evaluate("document.scripts.length + document.images.length") == 1)
        #expect(try await browser.troubles() == [])
        #expect(try await host.dish("rm", "--force", "hostile").code == 0)
        #expect(try await host.dish("volume", "rm", "webdata").code == 0)
    }

    /// A file comes after the snapshot: it is counted, found by its path, and listed as what changed since.
    private func lookBack(_ browser: Browser, _ host: TestHost) async throws {
        #expect(try await host.dish("exec", "hostile", "--", "sh", "-c", "head -c 5000 /dev/zero > '/srv/<b>late'").code == 0)
        let _: String = try await browser.evaluate("location.hash = document.querySelector('a[href^=\"#/past/\"]').hash")
        #expect(try await browser.wait("document.querySelectorAll('[data-moment]').length === 3"))
        func press(_ button: String, until answer: String) async throws {
            let _: Int = try await browser.evaluate("document.getElementById('\(button)').click() ?? 1")
            #expect(try await browser.wait(answer), "\(button)")
        }
        // The newest moment stands first.
        try await press(
            "count", until: "document.querySelector('[data-moment=now] td:nth-child(4) [data-value]')?.dataset.value === '1'")
        let _: String = try await browser.evaluate("document.getElementById('path').value = '/srv/<b>late'")
        try await press("find", until: "document.querySelector('[data-moment=before]').textContent.includes('not there')")
        let now: String = try await browser.evaluate("document.querySelector('[data-moment=now]').textContent")
        #expect(now.contains("4.88 KiB, changed"), "\(now)")
        try await press("compare", until: "document.querySelector('.changes li')?.dataset.path === '/srv/<b>late'")
        #expect(try await browser.evaluate("document.querySelectorAll('.changes li').length") == 1)
    }

    private func quoted(_ text: String) -> String {
        "'\(text.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined())'"
    }

    @Test func overTCPNothingChangesAndOnlyOurNamesAreAnswered() async throws {
        try await withPage { host, url in
            #expect(try await status(["\(url)/"]) == "200")
            #expect(try await status(["--request", "POST", "--data", "{}", "\(url)/v1/tasks"]) == "405")
            #expect(try await status(["--request", "DELETE", "\(url)/v1/tasks/web?force=true"]) == "405")
            #expect(try await status(["--header", "Host: evil.example", "\(url)/v1/tasks"]) == "421")
            #expect(try await status(["--header", "Sec-Fetch-Site: cross-site", "\(url)/v1/tasks"]) == "403")
            #expect(try await status(["\(url)/v1/jobs"]) == "404")
            #expect(try await status(["--path-as-is", "\(url)/web/../v1/jobs"]) == "404")
            #expect(try await status(["\(url)/v1/tasks/%3Cscript%3E/console"]) == "404")
            let head = try await curl(["--include", "\(url)/web/page.css"]).output.lowercased()
            for field in [
                "content-security-policy: default-src 'self'", "x-content-type-options: nosniff", "content-type: text/css",
            ] {
                #expect(head.contains(field), "\(head)")
            }
            #expect(!head.contains("access-control"))
            let tag = try #require(head.firstMatch(of: /etag: ("[0-9a-f]+")/)).1
            #expect(try await status(["--header", "If-None-Match: \(tag)", "\(url)/web/page.css"]) == "304")
            // On the socket everything is served, and a browser, to which somebody may have forwarded it, is no more than over TCP.
            let socket = ["--unix-socket", AgentDefaults.socket(in: host.runtimeDirectory)]
            #expect(try await status(socket + ["http://localhost/"]) == "200")
            #expect(try await status(socket + ["http://dish/v1/jobs"]) == "200")
            let browser = ["--user-agent", "Mozilla/5.0", "--header", "Accept-Language: en"]
            #expect(try await status(socket + browser + ["http://localhost:8080/v1/tasks"]) == "200")
            #expect(try await status(socket + browser + ["http://evil.example/v1/tasks"]) == "421")
            #expect(try await status(socket + browser + ["--data", "{}", "http://localhost:8080/v1/tasks"]) == "405")
        }
    }

    @Test func aScrapeIsWhatIsDocumentedAndScrapingLeavesNothing() async throws {
        try await withPage { host, url in
            try #require(
                try await host.dish("run", "-d", "//os:base", "--name", "busy", "--disk", "50M", "--", "/bin/sleep", "1000").code
                    == 0)
            let text = try await curl(["\(url)/metrics"]).output
            for line in [
                "dish_task_up{task=\"busy\"} 1", "dish_task_disk_limit_bytes{task=\"busy\"} 52428800",
                "dish_tasks{state=\"running\"} 1",
            ] {
                #expect(text.contains("\(line)\n"), "\(text)")
            }
            let usage = try await host.client.usage().host
            #expect(text.contains("dish_host_memory_bytes \(usage.memory.total)\n"))
            #expect(text.contains("dish_pool_size_bytes \(usage.disk?.total ?? 0)\n"))
            let document = try Files.readText("\(Programs.repository)/docs/metrics.md")
            for match in text.matches(of: /# TYPE ([a-z_]+) ([a-z]+)/) {
                #expect(document.contains("| `\(match.1)` | \(match.2) |"), "\(match.1)")
            }
            let promtool = try #require(Executable.find("promtool"), "install Debian's package prometheus")
            var check = Command(promtool, ["check", "metrics"])
            check.input = Array(text.utf8)
            let checked = try await check.run()
            #expect(
                checked.status.isSuccess && checked.text.isEmpty && checked.errorText.isEmpty,
                "\(checked.text)\(checked.errorText)")
            let rules = try await Command(promtool, ["check", "rules", "\(Programs.repository)/examples/metrics/alerts.yaml"])
                .run()
            #expect(rules.status.isSuccess, "\(rules.text)\(rules.errorText)")

            func memory() async throws -> Int {
                let text = try await curl(["\(url)/metrics"]).output
                return Int(try #require(text.firstMatch(of: /\nprocess_resident_memory_bytes (\d+)/)).1) ?? 0
            }
            func scrape(_ count: Int) async throws {
                _ = try await curl(["--output", "/dev/null", "\(url)/metrics#[1-\(count)]"])
            }
            try await scrape(100)
            let before = try await memory()
            try await scrape(400)
            let after = try await memory()
            #expect(after - before < 4 << 20, "\(before) bytes, then \(after)")
            #expect(
                try await curl(["\(url)/metrics"]).output.contains(
                    "dish_api_requests_total{route=\"/metrics\",method=\"GET\",status=\"200\"} 50"))
        }
    }
}
