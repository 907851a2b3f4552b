import Linux
import Testing

@Suite struct ArgumentsTests {
    @Test func eachFormHasItsShape() {
        let arguments = Arguments("show").flag("quiet", "full").flag("never", if: false).option("lines", 20).pair(
            "data", "single"
        )
        .options("set", ["A=1", "B=2"]).pairs("header", ["x", "y"]).words("-c").end("--web")
        #expect(
            arguments.list == [
                "show", "--quiet", "--full", "--lines=20", "--data", "single", "--set=A=1", "--set=B=2", "--header", "x",
                "--header", "y", "-c", "--", "--web",
            ])
    }

    @Test func withoutAValueThereIsNoOption() {
        let none: String? = nil
        #expect(Arguments().option("user", none).pair("user", none).options("user", []).list == [])
    }
}
