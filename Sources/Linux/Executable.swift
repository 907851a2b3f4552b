import Glibc

/// Finding system programs.
public enum Executable {
    /// Where system programs are, whatever the caller's PATH says.
    private static let directories = [
        "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
    ]

    /// The absolute path of a system program; nil when it isn't installed.
    ///
    /// A `DISH_PATH` variable (colon-separated directories) replaces the system's directories.
    public static func find(_ name: String) -> String? {
        let override = getenv("DISH_PATH").map { String(cString: $0).split(separator: ":").map(String.init) }
        return (override ?? directories).map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// The absolute path of the running program.
    public static func current() throws(SystemError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = try retryingInterrupts("read link", "/proc/self/exe") {
            readlink("/proc/self/exe", &buffer, buffer.count - 1)
        }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
