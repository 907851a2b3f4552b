import Glibc
import Linux

/// What this process uses itself: proc(5).
struct ProcessReading: Sendable {
    /// Seconds.
    var cpuTime: Double
    /// Bytes.
    var residentMemory: UInt64
    /// Seconds since 1970.
    var started: Double
    var openFiles: Int
    var mostFiles: UInt64

    static func current() -> ProcessReading {
        var spent = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent)
        let pages = ((try? Files.readText("/proc/self/statm")) ?? "").split(separator: " ").dropFirst().first
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        // The descriptor that lists them is one of them.
        let files = ((try? Files.list("/proc/self/fd").count) ?? 1) - 1
        return ProcessReading(
            cpuTime: Double(spent.tv_sec) + Double(spent.tv_nsec) / 1e9,
            residentMemory: (pages.flatMap { UInt64($0) } ?? 0) * UInt64(sysconf(CInt(_SC_PAGESIZE))), started: started,
            openFiles: files, mostFiles: UInt64(limit.rlim_cur))
    }

    /// By the clock as it was when this was first asked.
    private static let started: Double = {
        var (wall, boot) = (timespec(), timespec())
        clock_gettime(CLOCK_REALTIME, &wall)
        clock_gettime(CLOCK_BOOTTIME, &boot)
        let now = Double(wall.tv_sec) + Double(wall.tv_nsec) / 1e9
        // The name in the second field may contain anything; after its last bracket come numbers.
        let text = (try? Files.readText("/proc/self/stat")) ?? ""
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        guard fields.count > 20, let ticks = Double(fields[20]) else { return now }
        let age = Double(boot.tv_sec) + Double(boot.tv_nsec) / 1e9 - ticks / Double(sysconf(CInt(_SC_CLK_TCK)))
        return now - max(age, 0)
    }()
}
