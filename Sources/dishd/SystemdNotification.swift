import Glibc
import Linux

/// Tells systemd something, when it started this program and asked to be told: sd_notify(3).
func notifySystemd(_ text: String) {
    guard let path = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), let program = Executable.find("systemd-notify") else {
        return
    }
    _ = try? Command(Spawn(program, ["--pid=\(getpid())", text], environment: ["NOTIFY_SOCKET": path])).runBlocking()
}
