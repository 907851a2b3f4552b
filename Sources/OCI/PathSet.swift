/// Paths of an archive's entries, each with the directories above it, in 16 bytes for each whatever its length.
///
/// A path is known by a hash whose key nobody outside of this process knows: that two of ten million have the same happens once in a
/// hundred thousand archives of that size, and hides one file more or less.
struct PathSet {
    private var hashes: Set<Int> = []

    var isEmpty: Bool { hashes.isEmpty }

    /// Adds a path and all directories above it.
    mutating func insert(_ path: EntryPath) {
        var hasher = Hasher()
        for component in path.components {
            Self.add(component, to: &hasher)
            hashes.insert(hasher.finalizedCopy)
        }
    }

    mutating func remove(_ path: EntryPath) {
        if !hashes.isEmpty { hashes.remove(Self.hash(path)) }
    }

    func contains(_ path: EntryPath) -> Bool { hashes.contains(Self.hash(path)) }

    private static func hash(_ path: EntryPath) -> Int {
        var hasher = Hasher()
        for component in path.components { add(component, to: &hasher) }
        return hasher.finalize()
    }

    private static func add(_ component: ArraySlice<UInt8>, to hasher: inout Hasher) {
        hasher.combine(component.count)
        component.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension Hasher {
    fileprivate var finalizedCopy: Int {
        let copy = self
        return copy.finalize()
    }
}
