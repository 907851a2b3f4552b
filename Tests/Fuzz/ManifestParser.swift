// Compiled together with the sources of Manifest (scripts/fuzz).

/// Whatever the text: an `IMAGES.yaml` gives definitions, and these give images, or there is a `ManifestError` whose place
/// is one in the text.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    do {
        let file = try ImageFile(text, file: "f", folder: "f")
        let reader = TargetReader { label, place, what in
            guard let found = file.definitions.first(where: { $0.label == label.plain }) else {
                throw ManifestError(place ?? .init(file: "f", line: 1, column: 1), "there is no \(what) \(label)")
            }
            return found
        }
        for definition in file.definitions {
            guard Label(definition.label.description) == definition.label else { fatalError("label \(definition.label)") }
            guard definition.isImage, definition.isUsableAsItIs else { continue }
            // One image's mistake isn't the next one's.
            do { try inspect(reader.image(definition.label)) } catch { check(error, text) }
        }
    } catch {
        check(error, text)
    }
    return 0
}

/// An image is named by a label that means the same when it is read.
private func inspect(_ image: ImageTarget) throws {
    guard Label(image.label.description) == image.label else { fatalError("label \(image.label)") }
}

private func check(_ error: any Error, _ text: String) {
    guard let error = error as? ManifestError else { fatalError("\(error)") }
    // YAML's line breaks: a document may end on a line of its own after the last one.
    let lines = text.unicodeScalars.split(omittingEmptySubsequences: false) { breaks.contains($0) }
    guard error.place.file == "f", (1...lines.count + 1).contains(error.place.line), error.place.column >= 1,
        error.place.line > lines.count ? error.place.column == 1 : error.place.column <= lines[error.place.line - 1].count + 1,
        !error.message.isEmpty
    else { fatalError("the place of '\(error)' is none of the text's \(lines.map(\.count))") }
}

private let breaks: Set<Unicode.Scalar> = ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]
