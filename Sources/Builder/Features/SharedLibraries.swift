import Linux
import Manifest
import Runtime
import Synchronization

/// Which shared libraries programs of a layer need: what the layer's own loader says, asked in a sandbox.
struct SharedLibraries: Sendable {
    let sandbox: BuildSandbox
    /// The layer's root.
    let layer: String

    /// Absolute paths, sorted, the loader among them.
    func needed(
        by programs: [String], of image: Located<Label>, at place: ManifestError.Place
    ) async throws -> [String] {
        let printed = Mutex<[UInt8]>([])
        let quoted = programs.map { "'\($0.replacing("'", with: "'\\''"))'" }.joined(separator: " ")
        // ldd(1) fails for a program that is statically linked, and says so.
        try await sandbox.run(
            """
            for program in \(quoted); do
                [ -e "$program" ] || { echo "there is no '$program'"; exit 1; }
                ldd "$program" 2>&1 || ldd "$program" 2>&1 | grep -q 'not a dynamic executable'
            done
            """, in: layer, what: "\(place): extracting from \(image.value) failed",
            configure: { $0.readOnly = true }
        ) { bytes in printed.withLock { $0 += bytes } }
        return try Self.parse(String(decoding: printed.withLock { $0 }, as: UTF8.self), at: place)
    }

    /// Lines like `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
    static func parse(_ text: String, at place: ManifestError.Place) throws -> [String] {
        var paths: Set<String> = []
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            if line.hasSuffix("=> not found") {
                throw ManifestError(place, "the library \(words.first ?? "") is not found in the image it is taken from")
            }
            if let arrow = words.firstIndex(of: "=>"), arrow + 1 < words.count, words[arrow + 1].hasPrefix("/") {
                paths.insert(words[arrow + 1])
            } else if let first = words.first, first.hasPrefix("/"), words.count == 2, words[1].hasPrefix("(0x") {
                paths.insert(first)
            }
        }
        return paths.sorted()
    }
}
