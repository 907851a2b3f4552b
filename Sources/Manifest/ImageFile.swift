/// An `IMAGES.yaml` file.
public struct ImageFile: Sendable {
    /// The file's name in each folder of a workspace.
    public static let name = "IMAGES.yaml"

    /// Images and feature sets.
    public let definitions: [Definition]

    /// - Parameters:
    ///   - text: the file's content.
    ///   - file: its path, for messages.
    ///   - folder: the folder's path from the workspace's root; empty for the root.
    public init(_ text: String, file: String, folder: String) throws(ManifestError) {
        guard let document = try YAMLDocument.read(text, file: file) else {
            throw ManifestError(
                .init(file: file, line: 1, column: 1), "the file is empty; it needs the key 'images' or 'features'")
        }
        var definitions: [Definition] = []
        for (key, value) in try document.entries("the file", keys: ImageLanguage.file.keys.map(\.name)) {
            for node in try value.list("'\(key)'") {
                let definition = try Definition(node, isImage: key == "images", folder: folder)
                if let other = definitions.first(where: { $0.label == definition.label }) {
                    let what = definition.isImage && other.isImage ? "the image" : "the label"
                    throw ManifestError(
                        definition.place, "\(what) '\(definition.label)' is defined twice; the first time at \(other.place)")
                }
                definitions.append(definition)
            }
        }
        self.definitions = definitions
    }
}
