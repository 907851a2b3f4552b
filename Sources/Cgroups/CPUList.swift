import Glibc
import Linux
public import Spec

extension CPUList {
    /// The CPUs of this host.
    public static var online: Set<Int> {
        let text = (try? Files.readText("/sys/devices/system/cpu/online")) ?? ""
        return parse(String(text.prefix { $0 != "\n" })) ?? Set(0..<max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))))
    }
}
