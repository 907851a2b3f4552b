import Glibc
import Linux

/// The resource limits of a process (proc_pid_limits(5)).
struct ProcessLimits: Equatable {
    /// By resource of getrlimit(2).
    let values: [CInt: Spawn.ResourceLimit]

    /// The names of the resources, with the blank after them, each at its number: asm-generic/resource.h.
    private static let names = [
        "cpu time ", "file size ", "data size ", "stack size ", "core file size ", "resident set ", "processes ", "open files ",
        "locked memory ", "address space ", "file locks ", "pending signals ", "msgqueue size ", "nice priority ",
        "realtime priority ",
        "realtime timeout ",
    ]

    init(_ text: String) {
        var values: [CInt: Spawn.ResourceLimit] = [:]
        // Bytes, not characters: each `exec` reads two of them.
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) where line.starts(with: "Max ".utf8) {
            let rest = line.dropFirst(4)
            guard let resource = Self.names.firstIndex(where: { rest.starts(with: $0.utf8) }) else { continue }
            let columns = rest.dropFirst(Self.names[resource].utf8.count).split(separator: UInt8(ascii: " ")).prefix(2)
                .compactMap { $0.elementsEqual("unlimited".utf8) ? UInt64.max : UInt64(Substring($0)) }
            if columns.count == 2 { values[CInt(resource)] = .init(soft: columns[0], hard: columns[1]) }
        }
        self.values = values
    }

    /// Those of a process, where they are tighter than this one's: no process gets more by entering.
    static func tighter(of process: pid_t) throws(SystemError) -> [CInt: Spawn.ResourceLimit] {
        let theirs = ProcessLimits(try Files.readText("/proc/\(process)/limits")).values
        let own = ProcessLimits(try Files.readText("/proc/self/limits")).values
        return theirs.merging(own) { .init(soft: min($0.soft, $1.soft), hard: min($0.hard, $1.hard)) }
            .filter { $0.value != own[$0.key] }
    }
}
