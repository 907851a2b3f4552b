import Cgroups
import Glibc
import Linux
import Spec
import TaskHelper
import Testing

@Suite struct HelperSpecTests {
    @Test func theTextSaysAllOfIt() {
        for _ in 0..<500 {
            let spec = random()
            let text = spec.json.text
            #expect(HelperSpec(text: text) == spec, "\(String(decoding: text, as: UTF8.self))")
        }
    }

    /// The least that a helper takes, with the members of another object in place of its own.
    private func text(_ changes: [String: JSONValue]) -> [UInt8] {
        var members: [String: JSONValue] = [
            "id": "1", "name": "web", "generation": 1, "state": "/s", "run": "/r", "log": "/l", "program": ["/bin/true"],
        ]
        members.merge(changes) { $1 }
        return JSONValue.object(members).text
    }

    @Test func theLeastIsEnough() throws {
        let spec = try #require(HelperSpec(text: text([:])))
        #expect(
            spec
                == HelperSpec(
                    id: "1", name: "web", stateDirectory: "/s", runtimeDirectory: "/r", log: "/l", program: ["/bin/true"]))
    }

    @Test(arguments: ["id", "name", "generation", "state", "run", "log", "program"])
    func whatIsMissingIsRefused(_ name: String) {
        #expect(HelperSpec(text: text([name: .null])) == nil)
    }

    @Test(
        arguments: [
            ["unknown": true], ["id": ""], ["state": "s"], ["program": []], ["limits": ["memory": "lots"]],
            ["limits": ["cpu": -1]], ["limits": ["unknown": 1]], ["logSize": -1], ["disks": ["8"]], ["disks": ["8:x"]],
            ["oomScore": 1001], ["stopSignal": 65], ["generation": 0], ["filters": ["0"]], ["filters": ["0g"]],
            ["mounts": [["name": "x"]]], ["files": ["/x": 1]], ["start": ["arguments": []]], ["userBase": -1],
            ["userBase": 4_294_967_296], ["program": ["a\0b"]], ["terminal": 1],
        ] as [[String: JSONValue]])
    func whatIsUnknownOrOutOfItsBoundsIsRefused(_ changes: [String: JSONValue]) {
        #expect(HelperSpec(text: text(changes)) == nil)
    }

    @Test func aTextThatIsNoJSONIsRefused() {
        for text in ["", "{", "--id=1", "[]", "null"] { #expect(HelperSpec(text: Array(text.utf8)) == nil) }
    }

    @Test func aFileTellsAHelperAllOfItAndNobodyElse() throws {
        var spec = random()
        let folder = try TemporaryDirectory()
        spec.runtimeDirectory = "\(folder.path)/r"
        spec.program += ["two\nlines", ""]
        try spec.write()
        #expect(HelperSpec(text: try Files.read(spec.file)) == spec)
        var status = stat()
        #expect(stat(spec.file, &status) == 0 && status.st_mode & 0o777 == 0o600)
        spec.program.append("a\0b")
        #expect(throws: SystemError.self) { try spec.write() }
        spec.program.removeLast()
        spec.oomScore = 2000
        #expect(throws: SystemError.self) { try spec.write() }
    }

    @Test func withoutSystemdTheHelperIsDetachedInASessionOfItsOwn() {
        let spec = random()
        let spawn = spec.spawn(helper: "/usr/bin/dish-helper", environment: ["A": "b"], inUnit: false)
        #expect(spawn.program == "/usr/bin/dish-helper")
        #expect(spawn.arguments == [spec.file, spec.name])
        #expect(spawn.environment == ["A": "b"])
        #expect(spawn.detached && spawn.newSession)
    }

    private func random() -> HelperSpec {
        var spec = HelperSpec(
            id: "1" + RandomRecords.text(), name: "n" + RandomRecords.text(), stateDirectory: "/s" + RandomRecords.text(),
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
        if Bool.random() { spec.privateDirectories = ["/run/x", "/" + RandomRecords.text()] }
        if Bool.random() { spec.files = ["/run/x/" + RandomRecords.text(): RandomRecords.text(), "/run/y": ""] }
        if Bool.random() {
            spec.start = StartProgram(
                endFile: Bool.random() ? nil : "/end", identity: Bool.random() ? nil : .init(user: 1, group: 2, groups: [2, 3]),
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
