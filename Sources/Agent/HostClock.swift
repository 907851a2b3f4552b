import CLinux
import Glibc

/// The time since the host's start, sleep included (clock_gettime(2), `CLOCK_BOOTTIME`): setting the host's date doesn't move
/// it.
enum HostClock {
    /// Milliseconds.
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
