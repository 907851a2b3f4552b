import Fixtures
import Glibc
import Layers
import Linux
import OCI
import Testing

@testable import Registry

/// What is said of JSON that is wrong, wherever it comes from: what it is, where in it, and in words.
@Suite struct DecodingMessageTests {
    private static let wrong = [
        "", "{", "[]", "null", "7", #""x""#, #"{"auths": 5, "default": "maybe", "registries": {}}"#,
        #"{"registries": [{"keys": 5}], "auths": {"a.example": 7}}"#, #"{"default": 5, "credHelpers": []}"#,
    ]

    private func expectWords(_ error: (any Error)?, _ text: String) {
        guard let error else { return }
        for word in [
            "DecodingError", "keyNotFound", "Mismatch", "dataCorrupted", "CodingKey", "Swift", "String", "Dictionary", "Array<",
            "Default", "debugDescription",
        ] {
            #expect(!"\(error)".contains(word), "\(text): \(error)")
        }
    }

    @Test(arguments: wrong) func filesOfSettings(_ text: String) async throws {
        let path = try Scratch.make("settings") + "/file.json"
        try Files.replace(path, with: text.utf8, durable: false)
        do { _ = try await CredentialStore(path: path).credentials(for: Reference("a.example/b")) } catch {
            expectWords(error, text)
        }
        do { _ = try SignaturePolicy(path) } catch { expectWords(error, text) }
        do { _ = try StateFile.read(Layer.self, path) } catch { expectWords(error, text) }
        do { _ = try StateFile.read(VolumeSnapshot.self, path) } catch { expectWords(error, text) }
        do { _ = try ImageConfiguration(Array(text.utf8)) } catch { expectWords(error, text) }
        do { _ = try OCIJSON.decode(Package.Config.self, Array(text.utf8), "the config") } catch { expectWords(error, text) }
        do { _ = try OCIJSON.decode([DockerArchive.Entry].self, Array(text.utf8), "manifest.json") } catch {
            expectWords(error, text)
        }
        do { _ = try OCIJSON.decode(SimpleSigning.self, Array(text.utf8), "a signature") } catch { expectWords(error, text) }
        do { _ = try OCIJSON.decode(VolumeDescription.self, Array(text.utf8), "the config") } catch { expectWords(error, text) }
    }

    /// Every decoder of the programs: none lets an error out as the library describes it.
    @Test func everyDecoderIsLookedAfter() throws {
        let sources = "\(Programs.repository)/Sources"
        var waiting = [sources]
        var seen = 0
        while let folder = waiting.popLast() {
            for name in try Files.list(folder) {
                let path = "\(folder)/\(name)"
                if Files.isDirectory(path) {
                    waiting.append(path)
                } else if name.hasSuffix(".swift") {
                    let text = try Files.readText(path)
                    let lines = text.split(separator: "\n")
                    // What the program wrote itself a moment ago needs no words.
                    let decoding = lines.filter {
                        $0.contains("JSONDecoder().decode") && !$0.contains("try?") && !$0.contains("JSONEncoder()")
                    }
                    seen += decoding.count
                    let isLookedAfter = ["plainReason(", ".sentence", "that can be read"].contains { text.contains($0) }
                    #expect(decoding.isEmpty || isLookedAfter, "\(path): \(decoding)")
                }
            }
        }
        #expect(seen >= 8)
    }
}
