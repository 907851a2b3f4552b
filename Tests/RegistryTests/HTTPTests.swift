import Testing

@testable import Registry

@Suite struct HTTPTests {
    @Test func theLastHeadOfADumpCounts() throws {
        let dump =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Partial Content\r\nContent-Range:  bytes 5-9/10\r\nX: a\r\nx: b\r\n\r\n"
        let head = try #require(HTTPHead(dump: Array(dump.utf8)))
        #expect(head.status == 206 && head["content-range"] == "bytes 5-9/10" && head.all("X") == ["a", "b"])
        #expect(HTTPHead(dump: Array("HTTP/2 200 \r\n\r\n".utf8))?.status == 200)
        #expect(HTTPHead(dump: []) == nil && HTTPHead(dump: Array("HTTP/1.1 200 OK\r\nX: y".utf8)) == nil)
        #expect(HTTPHead(dump: Array("garbage\r\n\r\n".utf8)) == nil)
    }

    @Test func noValueOfTheConfigurationBecomesAnOption() throws {
        var configuration = CurlConfiguration()
        try configuration.set("header", #"X: "quoted\" -o /etc/passwd"#)
        #expect(configuration.text == #"header = "X: \"quoted\\\" -o /etc/passwd""# + "\n")
        #expect(throws: RegistryError.self) { try configuration.set("url", "http://x/\noutput=/etc/passwd") }
        #expect(throws: RegistryError.self) { try configuration.set("header", "X: y\r\nZ: w") }
    }

    @Test func originsAreWhereSecretsMayGo() {
        #expect(HTTPRequest.origin(of: "https://a.example:5000/v2/?x") == "https://a.example:5000")
        #expect(HTTPRequest.origin(of: "https://a.example?x") == "https://a.example")
        #expect(HTTPRequest.origin(of: "https://a.example@b.example/") != HTTPRequest.origin(of: "https://a.example/"))
        #expect(HTTPRequest.origin(of: "HTTPS://A.example:443/x") == "https://a.example")
        #expect(HTTPRequest.origin(of: "http://a.example:80") == "http://a.example")
        #expect(HTTPRequest.origin(of: "https://[::1]:443/") == "https://[::1]")
        #expect(HTTPRequest.origin(of: "https://a.example:80/") == "https://a.example:80")
        #expect(HTTPRequest.origin(of: "http://a.example/") != HTTPRequest.origin(of: "https://a.example/"))
    }

    @Test func challengesAreUnderstood() {
        let text = #"Bearer realm="https://auth.example/token",service="registry, \"x\"",scope="repository:a/b:pull,push""#
        #expect(
            Challenge.all([text])
                == [.bearer(realm: "https://auth.example/token", service: #"registry, "x""#, scope: "repository:a/b:pull,push")])
        #expect(Challenge.all([#"Basic realm="x""#]) == [.basic])
        #expect(Challenge.all(["Negotiate", "Bearer service=x", "", ",,", "=", "\""]) == [])
    }
}
