import Glibc
import Linux
import Testing

@testable import Layers

@Suite struct StateFileTests {
    private let layer = LayerID(String(repeating: "0", count: 64))!

    @Test func whatIsWrittenIsReadAndAlwaysLooksTheSame() throws {
        let folder = try TestTree()
        let record = TaskRecord(id: "1", name: "web", image: "//web:app", layer: layer, quotaGroup: .max)
        try StateFile.write(record, "\(folder.root)/task.json")
        #expect(try StateFile.read(TaskRecord.self, "\(folder.root)/task.json") == record)
        let text = try Files.readText("\(folder.root)/task.json")
        #expect(text.hasPrefix("{\n  \"id\" : \"1\",\n  \"image\" : \"//web:app\",\n"))
        #expect(text.hasSuffix("}\n"))
    }

    @Test(arguments: ["", "{", "null", "[]", "{\"id\": 1}", "\u{0}"]) func aDamagedFileIsNamed(_ text: String) throws {
        let folder = try TestTree()
        try folder.file("task.json", text)
        let path = "\(folder.root)/task.json"
        let error = #expect(throws: PoolError.self) { try StateFile.read(TaskRecord.self, path) }
        #expect(error?.code == .damaged)
        #expect(error?.description.hasPrefix("'\(path)' is damaged: ") == true)
    }

    @Test func theRegistryKeepsTheFirstPoolFirst() throws {
        let folder = try TestTree()
        let registry = PoolRegistry(stateDirectory: "\(folder.root)/state")
        #expect(try registry.entries() == [])
        #expect(throws: PoolError.self) { try registry.defaultPath() }
        try registry.add(.init(path: "/a", backing: .file("/a.img")))
        try registry.add(.init(path: "/b", backing: .devices(["/dev/x", "/dev/y"])))
        try registry.add(.init(path: "/c", backing: .directory))
        #expect(try registry.defaultPath() == "/a")
        #expect(try registry.entries().map(\.path) == ["/a", "/b", "/c"])
        try registry.remove("/a")
        try registry.remove("/none")
        #expect(try registry.defaultPath() == "/b")
    }

    @Test func poolsThatAreAddedAtTheSameTimeAreAllKept() async throws {
        let folder = try TestTree()
        let registry = PoolRegistry(stateDirectory: folder.root)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask { try await blocking { try registry.add(.init(path: "/\(number)", backing: .directory)) } }
            }
            try await group.waitForAll()
        }
        #expect(try registry.entries().count == 20)
    }
}
