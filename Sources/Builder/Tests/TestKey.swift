import FoundationEssentials
import Layers
import Manifest

extension TestRecord {
    /// Raised whenever the same test of the same layer could come out differently.
    private static let version = 1

    /// What decides whether a test passes: the layer, what it stands on, and the test's definition without where it is written.
    static func key(of test: TestCase) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let parts = ["\(version)", test.layer.id.hex, test.parent?.hex ?? ""]
        return hexadecimal(ContentHash.bytes(Array(parts.joined(separator: " ").utf8) + (try encoder.encode(test.test))))
    }
}
