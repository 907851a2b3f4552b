import Glibc
import Linux
import TaskHelper

/// The date as it was when the first agent since the host's start looked, gone on by the clock of that start: setting the host's
/// date doesn't move it.
///
/// What is removed for its age has to be old by both clocks, so a date that is wrong for a while costs nothing.
struct SteadyTime: Sendable {
    /// Seconds since 1970, by whichever clock says less.
    let now: Int64

    init(_ configuration: AgentConfiguration) {
        self.init(
            file: "\(configuration.runtimeDirectory)/clock", boot: (try? ProcessIdentity.bootID()) ?? "", date: Int64(time(nil)))
    }

    /// - Parameters:
    ///   - file: holds `boot` and when that began, by the date of then.
    ///   - date: what the host's clock says.
    init(file: String, boot: String, date: Int64) {
        let up = HostClock.now / 1000
        let noted = ((try? Files.readText(file)) ?? "").split(whereSeparator: \.isWhitespace)
        if noted.count == 2, noted[0] == boot, let start = Int64(noted[1]) {
            now = min(date, start + up)
        } else {
            try? Files.replace(file, with: "\(boot) \(date - up)\n".utf8, durable: false)
            now = date
        }
    }
}
