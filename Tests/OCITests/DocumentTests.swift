import Layers
import Testing

@testable import OCI

/// Manifests and configs as others write them, and what is said of those that are wrong.
@Suite struct DocumentTests {
    private func config(_ text: String) throws -> ImageConfig {
        try OCIJSON.decode(ImageConfig.self, Array(text.utf8), "the config")
    }

    @Test func whatAConfigDoesNotSayIsTheHosts() throws {
        for text in [
            #"{"rootfs": {"type": "layers", "diff_ids": []}}"#, #"{"rootfs": {"diff_ids": null}, "architecture": "", "os": ""}"#,
            #"{"config": null, "history": null, "rootfs": {}}"#, #"{"created": 5, "history": "none", "rootfs": {}}"#,
        ] {
            let config = try config(text)
            try HostProcessor.current.require(config.platform, "the image")
            #expect(config.rootfs.diff_ids.isEmpty && config.configuration.commandLine.isEmpty)
        }
    }

    @Test func olderConfigsAreUnderstood() throws {
        let config = try config(
            #"""
            {"rootfs": {}, "config": {"Cmd": "/bin/app", "Entrypoint": null, "Env": ["A=b=c", "D"], "Volumes": {"/data": null},
            "ExposedPorts": {"80/tcp": {}, "53/udp": {"x": 1}}, "Labels": null, "OnBuild": null, "Hostname": ""}}
            """#)
        #expect(config.config?.Cmd == ["/bin/app"] && config.configuration.commandLine == ["/bin/app"])
        #expect(config.configuration.volumes == ["/data"] && config.configuration.exposedPorts == ["53/udp", "80/tcp"])
        #expect(config.configuration.environment["A"] == "b=c")
    }

    @Test func whatAManifestIsFollowsFromItsBytes() throws {
        let (image, list) = (#"{"config": {}, "layers": []}"#, #"{"manifests": []}"#)
        for said in [nil, "text/plain", "application/octet-stream", "application/json", MediaType.index, MediaType.manifest] {
            #expect(try ManifestShape.mediaType(of: Array(image.utf8), said: said, "it") == MediaType.manifest, "\(said ?? "-")")
            #expect(try ManifestShape.mediaType(of: Array(list.utf8), said: said, "it") == MediaType.index, "\(said ?? "-")")
        }
        let docker = #"{"mediaType": "\#(MediaType.dockerIndex)", "manifests": []}"#
        #expect(try ManifestShape.mediaType(of: Array(docker.utf8), said: "text/plain", "it") == MediaType.dockerIndex)
        #expect(
            try ManifestShape.mediaType(of: Array(image.utf8), said: MediaType.dockerManifest, "it") == MediaType.dockerManifest)
        for both in [#"{"manifests": [], "layers": []}"#, #"{"manifests": [], "config": {}}"#] {
            let error = #expect(throws: OCIError.self) { try ManifestShape.mediaType(of: Array(both.utf8), said: nil, "it") }
            #expect(error?.code == .hostile)
        }
    }

    @Test func theOldestFormatIsNamed() {
        for text in [#"{"schemaVersion": 1, "fsLayers": [], "history": []}"#, #"{"schemaVersion": 1}"#] {
            let error = #expect(throws: OCIError.self) { try Manifest.read(Array(text.utf8), "the manifest") }
            #expect(error?.description.contains("schema 1") == true)
        }
    }

    /// Texts that are wrong in each way that a decoder knows.
    static let wrong = [
        "", "{", "[]", "null", "5", "\"text\"", "<html>404</html>", #"{"manifests": null, "layers": null}"#, #"{"layers": {}}"#,
        #"{"config": 5, "layers": []}"#, #"{"config": {"digest": 5}, "layers": []}"#,
        #"{"config": {"digest": "sha256:x", "size": 1}, "layers": []}"#,
        #"{"config": {"digest": "sha256:\#(String(repeating: "a", count: 64))", "size": -1}, "layers": []}"#,
        #"{"config": {"digest": "sha256:\#(String(repeating: "a", count: 64))", "size": 1e99}, "layers": []}"#,
        #"{"config": {"digest": "sha256:\#(String(repeating: "a", count: 64))", "size": 99999999999999999}, "layers": []}"#,
        #"{"rootfs": {"diff_ids": [5]}}"#, #"{"rootfs": [], "architecture": 7}"#, #"{"manifests": [{"digest": true}]}"#, "\u{0}",
    ]

    @Test(arguments: wrong) func noMessageHasATypeOfSwifts(_ text: String) throws {
        func check(_ body: () throws -> Void) {
            do { try body() } catch {
                let said = "\(error)"
                for word in [
                    "DecodingError", "keyNotFound", "typeMismatch", "valueNotFound", "dataCorrupted", "CodingKey", "Swift",
                    "String", "Dictionary", "Array<", "UInt64", "debugDescription",
                ] {
                    #expect(!said.contains(word), "\(text): \(said)")
                }
            }
        }
        let bytes = Array(text.utf8)
        check { _ = try Manifest.read(bytes, "the manifest") }
        check { _ = try OCIJSON.decode(Index.self, bytes, "the index") }
        check { _ = try OCIJSON.decode(ImageConfig.self, bytes, "the config") }
        check { _ = try ManifestShape.mediaType(of: bytes, said: nil, "it") }
        check { _ = try OCIJSON.decode([String: [Descriptor]].self, bytes, "the list") }
    }

    @Test func aMessageNamesTheField() {
        let error = #expect(throws: OCIError.self) {
            try Manifest.read(
                Array(#"{"config": {"digest": "sha256:\#(String(repeating: "a", count: 64))", "size": "1"}, "layers": []}"#.utf8),
                "the manifest 'x'")
        }
        #expect(error?.description == "the manifest 'x' is not what it is called: config.size: it has to be a whole number")
    }
}
