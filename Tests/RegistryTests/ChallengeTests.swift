import Testing

@testable import Registry

/// `WWW-Authenticate` as registries and the proxies before them send it.
@Suite struct ChallengeTests {
    private static let bearer = Challenge.bearer(realm: "https://auth.example/token?a=b,c", service: "reg, istry", scope: nil)
    private static let text = #"Bearer realm="https://auth.example/token?a=b,c",service="reg, istry""#

    @Test(arguments: [
        [#"Basic realm="x", "# + text], [text + #", Basic realm="x""#], [#"Basic realm="x""#, text], ["Basic,\(text)"],
        ["basic realm=x , \(text)"], ["Negotiate, Basic realm=\"a, Bearer b\", \(text)"], ["Negotiate YII==,Basic,\(text)"],
        ["NTLM TlRMTVNTUAAC, \(text), Basic"], [", ,Basic realm=\"q\\\"x\",,\(text)"],
    ]) func severalChallengesOfOneFieldAreToldApart(_ fields: [String]) {
        let found = Challenge.all(fields)
        #expect(found.contains(.basic) && found.contains(Self.bearer) && found.count == 2, "\(fields): \(found)")
    }

    @Test func parametersBelongToTheirScheme() {
        let found = Challenge.all([#"Basic realm="first", Bearer realm = "second" , scope="a b" , Bearer realm=third"#])
        #expect(
            found == [
                .basic, .bearer(realm: "second", service: nil, scope: "a b"), .bearer(realm: "third", service: nil, scope: nil),
            ])
        // Case means nothing in names.
        #expect(Challenge.all([#"BEARER REALM="r",Service="s""#]) == [.bearer(realm: "r", service: "s", scope: nil)])
    }

    @Test func noFieldIsTooOdd() {
        for text in ["", "=", "\"", "Bearer", "Bearer =", "Bearer realm", "a=b=c", "Bearer realm=\"unclosed", "  ,,  ", "\\"] {
            _ = Challenge.all([text, String(repeating: text, count: 500)])
        }
        #expect(Challenge.all(["Bearer realm=\"unclosed"]) == [.bearer(realm: "unclosed", service: nil, scope: nil)])
    }

    @Test func linksLeadToTheNextPage() {
        #expect(HTTPLink.next(#"</v2/a/tags/list?last=x&n=2>; rel="next""#) == "/v2/a/tags/list?last=x&n=2")
        #expect(HTTPLink.next(#"<a>; rel=prev, <b,c>;title="x, rel=next"; rel="next""#) == "b,c")
        #expect(HTTPLink.next(#"<a>; REL=Next"#) == "a")
        #expect(HTTPLink.next(#"<a>; rel="prev""#) == nil && HTTPLink.next("") == nil && HTTPLink.next("<a") == nil)
        let base = "https://a.example:5000/v2/app/referrers/sha256:1?artifactType=x"
        #expect(HTTPLink.resolve("/v2/x", against: base) == "https://a.example:5000/v2/x")
        #expect(HTTPLink.resolve("?n=2", against: base) == "https://a.example:5000/v2/app/referrers/sha256:1?n=2")
        #expect(HTTPLink.resolve("sha256:1?n=2", against: base) == "https://a.example:5000/v2/app/referrers/sha256:1?n=2")
        #expect(HTTPLink.resolve("http://b.example/x", against: base) == "http://b.example/x")
        #expect(HTTPLink.resolve("//b.example/x", against: base) == "https://b.example/x")
    }
}
