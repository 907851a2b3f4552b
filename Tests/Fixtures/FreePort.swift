import Glibc
import Linux

/// Ports nobody listens on.
public enum FreePort {
    /// A TCP port that was free a moment ago.
    public static func tcp() throws -> UInt16 {
        let number = try retryingInterrupts("create socket") { socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0) }
        let probe = OwnedFD(adopting: number)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = probe.number
        return try withUnsafeMutablePointer(to: &name) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                try retryingInterrupts("find a free port") { bind(descriptor, address, length) }
                try retryingInterrupts("find a free port") { getsockname(descriptor, address, &length) }
            }
            return UInt16(bigEndian: pointer.pointee.sin_port)
        }
    }
}
