import Linux
import TaskHelper
import Testing

@Suite struct HelperSpecTests {
    @Test func theArgumentsSayAllOfIt() {
        for _ in 0..<500 {
            let spec = random()
            #expect(HelperSpec(arguments: spec.arguments) == spec, "\(spec.arguments)")
        }
    }

    @Test(arguments: [
        [], ["--"], ["--id=1", "--state=/s", "--run=/r", "--log=/l"], ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--"],
        ["--id=1", "--state=/s", "--run=/r", "--", "/bin/true"], ["id=1", "--state=/s", "--run=/r", "--log=/l", "--", "p"],
        ["--id=", "--state=/s", "--run=/r", "--log=/l", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--unknown", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--memory=lots", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--cpu=-1", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--log-size=-1", "--", "p"],
    ])
    func whatIsMissingUnknownOrNoNumberIsRefused(_ arguments: [String]) {
        #expect(HelperSpec(arguments: arguments) == nil)
    }

    @Test func withoutSystemdTheHelperIsDetachedInASessionOfItsOwn() {
        let spec = random()
        let spawn = spec.spawn(helper: "/usr/bin/dish-helper", environment: ["A": "b"], inUnit: false)
        #expect(spawn.program == "/usr/bin/dish-helper")
        #expect(spawn.arguments == spec.arguments)
        #expect(spawn.environment == ["A": "b"])
        #expect(spawn.detached && spawn.newSession)
    }

    private func random() -> HelperSpec {
        var spec = HelperSpec(
            id: "1" + RandomRecords.text(), stateDirectory: "/s" + RandomRecords.text(),
            runtimeDirectory: "/r" + RandomRecords.text(),
            log: "/l" + RandomRecords.text(), program: ["/p"] + (0..<3).map { _ in Bool.random() ? "--" : RandomRecords.text() })
        spec.generation = .random(in: 1 ... .max)
        spec.logSize = .random(in: 0 ... .max)
        spec.logFiles = .random(in: 0...9)
        (spec.terminal, spec.input, spec.waitsForClient) = (.random(), .random(), .random())
        (spec.boots, spec.durable) = (.random(), .random())
        spec.networkNamespace = Bool.random() ? "/run/netns/" + RandomRecords.text() : nil
        (spec.cpu, spec.memory, spec.pids) = (number(), number(), number())
        return spec
    }

    private func number() -> UInt64? { Bool.random() ? .random(in: 0 ... .max) : nil }
}
