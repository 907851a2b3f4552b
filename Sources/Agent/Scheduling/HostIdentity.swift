import Layers
import Linux

/// What says that this is the same host as before, whatever it is called.
public enum HostIdentity {
    /// 32 hexadecimal digits, made once for each state directory.
    public static func read(stateDirectory: String) throws -> String {
        let path = "\(stateDirectory)/host-id"
        if let text = try Files.readTextIfPresent(path), text.utf8.count >= 16 { return text.filter { !$0.isWhitespace } }
        let id = hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) })
        try Files.replace(path, with: "\(id)\n".utf8)
        return id
    }
}
