import Manifest
import Spec

extension ImageTarget {
    /// Refuses an image that is larger than it may be.
    ///
    /// - Parameter size: bytes of all its files.
    func requireBudget(for size: @autoclosure () -> Int64) throws {
        guard let sizeBudget else { return }
        let size = size()
        guard UInt64(max(0, size)) > sizeBudget.value else { return }
        throw ManifestError(
            sizeBudget.place,
            "\(label) has \(ByteCount(bytes: UInt64(size))) of files, more than its budget of \(ByteCount(bytes: sizeBudget.value)); remove something, or raise it"
        )
    }
}
