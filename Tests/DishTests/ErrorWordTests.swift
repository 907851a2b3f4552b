import AgentAPI
import Layers
import Spec
import Testing

@testable import dish

/// Errors of the engine name settings; the command line has its words for them.
@Suite struct ErrorWordTests {
    @Test func aSettingOfAnErrorIsAnOption() {
        let error = PoolError(.invalid, "the pool is in a file; give its size", settings: ["size", "mountOptions"])
        #expect(SettingOptions.sentence(error) == "the pool is in a file; give its size (--size, --mount-options)")
        #expect(SettingOptions.sentence(PoolError(.invalid, "it is damaged")) == "it is damaged")
    }

    @Test(arguments: [
        (AgentError(FieldFault("memoryMin", "must be less"), in: "limits"), "--memory-min: must be less"),
        (
            AgentError(.invalid, "the variable 'A' has a line break", field: "environment"),
            "the variable 'A' has a line break (--env)"
        ),
        (AgentError(.invalid, "there is no capability 'X'", at: "capabilities.add[0]"), "--cap-add: there is no capability 'X'"),
        (AgentError(.notFound, "there is no such image", field: "image"), "there is no such image"),
        (
            AgentError(.unenforceable, "leave it out, or ask for best effort", field: "limits.cpu"),
            "leave it out, or ask for best effort: --best-effort"
        ),
        (AgentError(.failed, "no"), "no"),
    ]) func aFieldOfAnErrorIsAnOption(error: AgentError, sentence: String) {
        #expect(SettingOptions.sentence(error) == sentence)
    }

    @Test func theReasonOfAnErrorIsNotReadFromItsMessage() {
        #expect(AgentError(.invalid, "must be more", at: "limits.cpu").message == "limits.cpu: must be more")
        #expect(AgentError(.invalid, "limits.cpu: must be more", field: "limits.cpu").reason == nil)
    }
}
