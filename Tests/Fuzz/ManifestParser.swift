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
    // There is one more line after a last line break: a file may end there.
    let lengths = lengths(text)
    guard error.place.file == "f", (1...lengths.count + 1).contains(error.place.line), error.place.column >= 1,
        error.place.column <= (error.place.line > lengths.count ? 0 : lengths[error.place.line - 1]) + 1, !error.message.isEmpty
    else { fatalError("the place of '\(error)' is none of the text's \(lengths)") }
}

/// Of each line, without what ends it.
private func lengths(_ text: String) -> [Int] {
    var lengths = [0]
    var previous: Unicode.Scalar?
    for scalar in text.unicodeScalars {
        if !["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"].contains(scalar) {
            lengths[lengths.count - 1] += 1
        } else if scalar != "\n" || previous != "\r" {
            lengths.append(0)
        }
        previous = scalar
    }
    return lengths
}
