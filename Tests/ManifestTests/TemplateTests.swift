import Manifest
import Testing

struct TemplateTests {
    @Test func variablesAreFilledIn() throws {
        #expect(try Substitution.fill("a ${x}\n$${x} $x ${x", with: ["x": "1"]) == "a 1\n${x} $x ${x")
    }

    @Test func undeclaredAndUnusedVariablesAreErrors() {
        let undeclared = #expect(throws: TemplateFault.self) { try Substitution.fill("a\n${y}", with: [:]) }
        #expect(
            undeclared?.description == "line 2 uses '${y}', which is not among its 'variables'; a plain '${' is written '$${'")
        let unused = #expect(throws: TemplateFault.self) { try Substitution.fill("a", with: ["x": "1"]) }
        #expect(unused?.description == "the variable 'x' is not used in it")
    }
}
