import Glibc
import Linux

/// Layers that something outside the pool counts on, as an agent's jobs do on those of their versions. Nothing collects or removes
/// them, whether their owner is running or not.
extension Pool {
    private var kept: String { "\(path)/kept" }

    /// Makes these the layers that an owner needs, instead of those it said before.
    ///
    /// - Parameters:
    ///   - layers: with what each is needed for: people read it when a removal is refused.
    ///   - owner: hexadecimal digits, always the same for the same owner.
    public func keep(_ layers: [LayerID: String], for owner: String) throws {
        let path = "\(kept)/\(owner)"
        let lines = layers.map { "\($0.key.hex) \($0.value.split(whereSeparator: \.isNewline).joined(separator: " "))\n" }
        try Files.makeDirectories(kept, mode: 0o700)
        try whileLayersStay {
            if !lines.isEmpty { return try Files.replace(path, with: lines.sorted().joined().utf8) }
            guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove", path) }
        }
    }

    /// All that owners need, and what for.
    public func keptLayers() throws -> [LayerID: String] {
        guard Files.isDirectory(kept) else { return [:] }
        var found: [LayerID: String] = [:]
        for owner in try Files.list(kept) where owner.utf8.allSatisfy(LayerID.isDigit) {
            for line in try Files.readTextIfPresent("\(kept)/\(owner)")?.split(separator: "\n") ?? [] {
                let words = line.split(separator: " ", maxSplits: 1)
                guard let id = words.first.flatMap({ LayerID(String($0)) }) else { continue }
                found[id] = words.count > 1 ? String(words[1]) : "something"
            }
        }
        return found
    }
}
