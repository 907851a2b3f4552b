import Layers
import OCI
import Testing

@testable import Registry

@Suite struct PackagePlanTests {
    private func id(_ digit: Character) throws -> LayerID { try #require(LayerID(String(repeating: digit, count: 64))) }

    private func blob(_ digit: Character, _ size: UInt64) throws -> Descriptor {
        Descriptor(mediaType: "x", digest: try BlobDigest("sha256:" + String(repeating: digit, count: 64)), size: size)
    }

    private func delta(_ name: Character, from: Character, to: Character, _ size: UInt64) throws -> Descriptor {
        var descriptor = try blob(name, 500)
        descriptor.annotations = [
            Package.fromAnnotation: try id(from).hex, Package.toAnnotation: try id(to).hex, Package.sizeAnnotation: String(size),
        ]
        return descriptor
    }

    @Test func theCheapestWayThatThePoolAllowsIsChosen() throws {
        let layers = [(id: try id("1"), blob: try blob("a", 100)), (id: try id("2"), blob: try blob("b", 100))]
        let deltas = [
            try delta("c", from: "8", to: "2", 10), try delta("d", from: "9", to: "2", 5),
            try delta("e", from: "8", to: "1", 200),
        ]
        func plan(_ present: Set<LayerID>) -> PackagePlan { PackagePlan(layers, deltas: deltas) { present.contains($0) } }
        #expect(plan([]).bytes == 200)
        #expect(try plan([id("1"), id("2")]).steps.isEmpty)
        #expect(try plan([id("1")]).steps == [.init(index: 1, base: id("1"), source: .stream(blob("b", 100)), size: 100)])
        #expect(
            try plan([id("1"), id("8")]).steps
                == [.init(index: 1, base: id("8"), source: .delta(blob("c", 0).digest), size: 10)])
        #expect(try plan([id("8"), id("9")]).bytes == 105)
    }
}
