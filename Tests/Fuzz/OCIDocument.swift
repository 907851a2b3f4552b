// Compiled together with the sources of OCI (scripts/fuzz).

/// Whatever the bytes: a document of a registry is read or there is an `OCIError`; and what was read is read back the same when it
/// is written. The first byte says which document it is.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard let first = bytes.first else { return 0 }
    let document = Array(bytes.dropFirst())
    switch first % 3 {
    case 0:
        if let manifest = readAndWrite(Manifest.self, document) {
            for descriptor in manifest.layers + [manifest.config] { inspect(descriptor) }
        }
    case 1:
        guard let index = readAndWrite(Index.self, document) else { break }
        index.manifests.forEach(inspect)
        do { inspect(try index.manifest(for: .current, of: "image")) } catch {
            guard error is OCIError else { fatalError("\(error)") }
        }
    default:
        guard let config = readAndWrite(ImageConfig.self, document) else { break }
        // What it says of tasks goes into a layer, and from there into a config again.
        let configuration = config.configuration
        let layers = config.rootfs.diff_ids.map { (digest: $0, label: "layer") }
        let again = ImageConfig(configuration, layers: layers, hasInit: false).configuration
        guard again.environment == configuration.environment, again.labels == configuration.labels,
            again.directory == configuration.directory, again.stopSignal == configuration.stopSignal
        else { fatalError("\(configuration) became \(again)") }
    }
    return 0
}

private func readAndWrite<Document: Codable & Equatable>(_ type: Document.Type, _ bytes: [UInt8]) -> Document? {
    do {
        let document = try OCIJSON.decode(type, bytes, "it")
        let again = try OCIJSON.decode(type, OCIJSON.encode(document), "it, again")
        guard again == document else { fatalError("\(document) became \(again)") }
        return document
    } catch {
        guard error is OCIError else { fatalError("\(error)") }
        return nil
    }
}

private func inspect(_ descriptor: Descriptor) {
    // It becomes a file's name.
    guard !descriptor.digest.hex.isEmpty, descriptor.digest.hex.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }) else {
        fatalError("digest \(descriptor.digest)")
    }
    _ = descriptor.isIndex
}
