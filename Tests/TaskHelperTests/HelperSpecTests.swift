import Cgroups
import Glibc
import Linux
import Spec
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
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--io=8:0 rbps=1", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--io=8 rbps=1 wbps=1 riops=1 wiops=1", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--memory-swap=-1", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--oom-score=1001", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--mount-base=/b", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--filter=0", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--filter=0g", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--content=x", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--file=/x", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--start-argument=x", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--user-base=-1", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--credential=x", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--credential-file=/x", "--", "p"],
        ["--id=1", "--state=/s", "--run=/r", "--log=/l", "--start", "--start-as=0:0", "--", "p"],
    ])
    func whatIsMissingUnknownOrNoNumberIsRefused(_ arguments: [String]) {
        #expect(HelperSpec(arguments: arguments) == nil)
    }

    @Test func aFileTellsAHelperAllOfItAndNobodyElse() throws {
        var spec = random()
        let folder = try TemporaryDirectory()
        spec.runtimeDirectory = "\(folder.path)/r"
        spec.program += ["two\nlines", ""]
        try spec.write()
        #expect(HelperSpec(file: spec.file) == spec)
        var status = stat()
        #expect(stat(spec.file, &status) == 0 && status.st_mode & 0o777 == 0o600)
        spec.program.append("a\0--boot")
        #expect(throws: SystemError.self) { try spec.write() }
    }

    @Test func withoutSystemdTheHelperIsDetachedInASessionOfItsOwn() {
        let spec = random()
        let spawn = spec.spawn(helper: "/usr/bin/dish-helper", environment: ["A": "b"], inUnit: false)
        #expect(spawn.program == "/usr/bin/dish-helper")
        #expect(spawn.arguments == [spec.file])
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
        spec.limits = RandomRecords.limits()
        spec.oomScore = .random(in: -1000...1000)
        spec.requiresDevicePolicy = .random()
        spec.mounts = (0 ..< .random(in: 0...3)).map { index in
            HelperMount(
                "bind-\(index)", base: "/b" + RandomRecords.text(), path: Bool.random() ? RandomRecords.text() : "",
                baseIsRoot: .random(), baseIsResolved: .random())
        }
        spec.userBase = .random(in: 0 ... .max)
        for _ in 0 ..< .random(in: 0...2) { spec.credentials["c" + RandomRecords.text()] = "/" + RandomRecords.text() }
        spec.filters = (0 ..< .random(in: 0...2)).map { count in (0..<8 * count).map { _ in .random(in: 0...255) } }
        if Bool.random() { spec.privateDirectories = ["/run/x", RandomRecords.text()] }
        if Bool.random() { spec.files = ["/run/x/" + RandomRecords.text(): RandomRecords.text(), "/run/y": ""] }
        if Bool.random() {
            spec.start = StartProgram(
                identity: Bool.random() ? nil : .init(user: 1, group: 2, groups: [2, 3]),
                candidates: [RandomRecords.text(), "/x"],
                arguments: ["", RandomRecords.text()], environment: ["A=" + RandomRecords.text()])
        }
        return spec
    }

    @Test func weightsAndProtectionAreTheUnits() {
        var limits = CgroupLimits(Limits(cpu: 1000, memory: 1 << 30))
        #expect(HelperSpec.unitProperties(limits) == [])
        (limits.limits.cpuWeight, limits.limits.memoryMin) = (5000, 1 << 20)
        #expect(HelperSpec.unitProperties(limits) == ["CPUWeight=5000", "MemoryMin=1048576"])
        #expect(
            HelperSpec.unitProperties(limits, everything: true) == [
                "CPUWeight=5000", "IOWeight=", "MemoryMin=1048576", "MemoryLow=0",
            ])
    }
}
