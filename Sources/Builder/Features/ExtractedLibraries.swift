import Manifest
import Synchronization

/// The shared libraries that the extractions of an image have brought so far, with their contents.
final class ExtractedLibraries: Sendable {
    private let libraries = Mutex<[String: (digest: [UInt8], place: ManifestError.Place)]>([:])

    /// Notes a library.
    ///
    /// - Parameter digest: of its content.
    /// - Returns: where another content was extracted to its path before; nil when none was.
    func claim(_ path: String, _ digest: [UInt8], at place: ManifestError.Place) -> ManifestError.Place? {
        libraries.withLock { libraries in
            guard let other = libraries[path] else {
                libraries[path] = (digest, place)
                return nil
            }
            return other.digest == digest ? nil : other.place
        }
    }
}
