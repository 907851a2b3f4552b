import Testing

@testable import Agent

struct WebAccessTests {
    private let web = WebAccess(isWeb: true, names: ["shelf", "shelf.example"])
    private let socket = WebAccess(isWeb: false, names: [])

    private func asked(_ path: String, method: String = "GET", host: String? = "127.0.0.1:9209") -> WebAccess.Asked {
        .init(method: method, path: path, host: host)
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "get"])
    func nothingIsChangedOverTCP(method: String) {
        #expect(web.refusal(asked("/v1/tasks", method: method)) == .method)
    }

    @Test(arguments: [
        "127.0.0.1:9209", "127.0.0.1", "10.1.2.3:80", "[::1]:9209", "[::1]", "localhost", "LOCALHOST:9209", "a.localhost",
        "shelf:9209",
        "Shelf.Example",
    ])
    func addressesAndOurOwnNamesAreAnswered(host: String) {
        #expect(web.refusal(asked("/", host: host)) == nil)
    }

    @Test(arguments: [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:9209", "", ":9209", "[::1", "[::1]evil",
        "a:b:c",
        "shelf.evil.example", "2130706433.evil", nil,
    ])
    func aNameThatSomebodyElseMayPointHereIsRefused(host: String?) {
        #expect(web.refusal(asked("/", host: host)) == .host)
        // On a socket that ssh forwards to a browser, too.
        var browser = asked("/v1/tasks", host: host)
        browser.isBrowser = true
        #expect(socket.refusal(browser) == .host)
    }

    @Test(arguments: [
        "/v1/jobs", "/v1/jobs/shop", "/v1/tasks/web/wait", "/v1/tasks/web/wait-removed", "/v1/tasks/web/stop", "/v2/tasks", "/v1",
        "//",
        "/web/a/b", "/metrics/x", "", "/v1/pool", "/v1/secrets", "/v1/pool/map/x", "/v1/timeline/x", "/v1/host/drain",
    ])
    func onlyWhatThePageIsMadeOfIsServed(path: String) {
        #expect(web.refusal(asked(path)) == .path)
    }

    @Test(arguments: [
        "/", "/web/page.css", "/metrics", "/v1/agent", "/v1/host", "/v1/stats", "/v1/events", "/v1/replicas", "/v1/pool/map",
        "/v1/pool/devices", "/v1/timeline", "/v1/timeline/changes",
        "/v1/tasks",
        "/v1/tasks/web", "/v1/tasks/web/console", "/v1/tasks/web/snapshots", "/v1/tasks/web/stats",
    ])
    func thePageGetsWhatItNeeds(path: String) {
        #expect(web.refusal(asked(path)) == nil)
    }

    @Test func aBrowserAtTheSocketIsNoBetterThanOneOverTCP() {
        #expect(socket.refusal(asked("/v1/tasks", method: "POST", host: "d")) == nil)
        var browser = asked("/v1/tasks", method: "POST", host: "localhost:8080")
        browser.isBrowser = true
        #expect(socket.refusal(browser) == .method)
        browser = asked("/v1/tasks", host: "localhost:8080")
        (browser.isBrowser, browser.isCrossSite) = (true, true)
        #expect(socket.refusal(browser) == .crossSite)
        browser.isCrossSite = false
        #expect(socket.refusal(browser) == nil)
    }

    @Test func anAddressIsOfTheLoopbackInterfaceUnlessItSaysOtherwise() {
        #expect(WebAddress("9209")?.description == "127.0.0.1:9209")
        #expect(WebAddress("localhost:9209")?.isLoopback == true)
        #expect(WebAddress("[::1]:80")?.description == "[::1]:80")
        #expect(WebAddress("0.0.0.0:80")?.isLoopback == false)
        for text in ["", "0", "65536", "web", "web:80", "10.0.0.1", "10.0.0.1:", "1.2.3:80", "::1:80", "-1", "1.2.3.4:80:90"] {
            #expect(WebAddress(text) == nil, "\(text)")
        }
    }

    @Test func thePageAndAllItAsksForAreInTheProgram() throws {
        let page = try #require(WebAsset.all[""])
        let text = String(decoding: page.content, as: UTF8.self)
        for match in text.matches(of: /\/web\/([a-z.]+)/) { #expect(WebAsset.all[String(match.1)] != nil, "\(match.1)") }
        for asset in WebAsset.all.values where asset.name.hasSuffix(".js") {
            let script = String(decoding: asset.content, as: UTF8.self)
            for match in script.matches(of: /from "\.\/([a-z]+\.js)"/) {
                #expect(WebAsset.all[String(match.1)] != nil, "\(match.1)")
                #expect(asset.name == "main.js" || text.contains("\"/web/\(match.1)\""), "\(match.1) is loaded one after another")
            }
            // What makes elements or code of text.
            for word in [
                "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "http://", "https://",
            ]
            where word != "http://" || !script.contains("http://www.w3.org/2000/svg") {
                #expect(!script.contains(word), "\(word) in \(asset.name)")
            }
        }
        #expect(Set(WebAsset.all.values.map(\.tag)).count == WebAsset.all.count)
    }
}
