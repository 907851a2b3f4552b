import Glibc
import Linux

/// What people call layers. Each name is a small file that holds a layer id, replaced atomically; so is
/// each action's result. They need no index and no repair.
extension Pool {
    /// All names and what they stand for.
    public func allNames() throws -> [String: LayerID] {
        var found: [String: LayerID] = [:]
        let directory = try OwnedFD.open(names, O_RDONLY | O_DIRECTORY)
        for file in try Files.list(names) where !file.hasSuffix(".new") {
            guard let name = Self.decode(file), let id = try Self.id(inFile: file, of: directory) else { continue }
            found[name] = id
        }
        return found
    }

    /// Reads the layer that a name stands for; nil where its place has something else than such a file, which stops nothing: see `PoolRepair`.
    ///
    /// - Throws: `SystemError` for what can't be read now: a name that is passed over would make its layer look unused.
    static func id(inFile file: String, of directory: borrowing OwnedFD) throws(SystemError) -> LayerID? {
        do {
            return LayerID(String(decoding: try directory.readFile(inRoot: file, limit: 4096), as: UTF8.self))
        } catch {
            guard [EINVAL, EISDIR, ELOOP, ENOENT, EFBIG, ENXIO].contains(error.code) else { throw error }
            return nil
        }
    }

    /// Gives a layer a name, taking the name away from another.
    ///
    /// - Parameter commits: whether that is on disk on return, or the caller commits the file system.
    public func name(_ name: String, _ id: LayerID, commits: Bool = true) throws {
        try Self.requireName(name)
        let path = "\(names)/\(Self.encode(name))"
        if try Files.readTextIfPresent(path) == id.hex { return }
        try Files.replace(path, with: id.hex.utf8, syncsName: commits)
    }

    public func removeName(_ name: String) throws {
        let path = "\(names)/\(Self.encode(name))"
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove name", path) }
    }

    /// What an action made, if it is still here.
    public func result(ofAction key: String) throws -> LayerID? {
        guard let text = try Files.readTextIfPresent("\(actions)/\(key)"), let id = LayerID(text), try layer(id) != nil
        else { return nil }
        return id
    }

    /// Remembers what an action made.
    ///
    /// - Parameter commits: see `name`.
    public func record(action key: String, made id: LayerID, commits: Bool = true) throws {
        try Files.replace("\(actions)/\(key)", with: id.hex.utf8, syncsName: commits)
    }

    /// The layer that a name, a full id or the beginning of one (6 digits or more) stands for.
    public func resolve(_ reference: String) throws -> Layer {
        let file = Self.isName(reference) ? try Files.readTextIfPresent("\(names)/\(Self.encode(reference))") : nil
        if let id = file.flatMap({ LayerID($0) }), let layer = try layer(id) { return layer }
        if reference.utf8.count >= 6, reference.utf8.allSatisfy(LayerID.isDigit) {
            let matches = try Files.list(layers).filter { $0.hasPrefix(reference) }.compactMap { LayerID($0) }
            if matches.count > 1 {
                throw PoolError(.ambiguous, "'\(reference)' is the beginning of \(matches.count) layer ids; give more digits")
            }
            if let id = matches.first, let layer = try layer(id) { return layer }
        }
        let hint =
            reference.contains(":") && reference.hasPrefix("/")
            ? "build it: dish image build \(reference)" : "see what there is: dish image ls"
        throw PoolError(.unknownImage, "there is no image '\(reference)' in the pool at '\(path)'; \(hint)")
    }

    /// Whether people can call a layer so: printable, without blanks, and short enough for a file's name.
    static func isName(_ name: String) -> Bool {
        (1...200).contains(name.utf8.count) && name.utf8.allSatisfy { $0 > 32 && $0 != 127 } && encode(name).utf8.count <= 230
    }

    /// - Throws: `PoolError` `.invalid` for what no image can be called.
    public static func requireName(_ name: String) throws {
        guard !isName(name) else { return }
        throw PoolError(
            .invalid,
            "'\(name)' can't be an image name: use 1 to 200 printable characters without blanks, fewer if they are not ASCII")
    }

    /// Slashes, dots and percent signs become `%XX`, so that a name is one safe path component.
    static func encode(_ name: String) -> String {
        var encoded = ""
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "/"), UInt8(ascii: "%"), UInt8(ascii: "."), 0..<33, 127...255:
                encoded += "%" + hexadecimal([byte])
            default: encoded.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return encoded
    }

    static func decode(_ file: String) -> String? {
        var bytes: [UInt8] = []
        var rest = file.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                let digits = rest.prefix(2)
                guard digits.count == 2, digits.allSatisfy(LayerID.isDigit), let value = UInt8(Substring(digits), radix: 16)
                else {
                    return nil
                }
                rest = rest.dropFirst(2)
                bytes.append(value)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
