import Agent
import ArgumentParser
import Linux

/// Who decides what runs on the host (docs/heartbeat.md).
struct SchedulerOptions: ParsableArguments {
    @Option(
        name: .customLong("scheduler"),
        help: "URL of a scheduler elsewhere, which takes heartbeats as JSON over HTTP (default: the one that is built in).")
    var url: String?
    @Option(name: .customLong("scheduler-interval"), help: "Seconds between heartbeats, unless the scheduler says otherwise.")
    var seconds: Int?
    @Option(help: "Certificates to trust for the scheduler, in PEM, instead of the system's.")
    var schedulerCa: String?
    @Option(help: "The certificate that this host shows the scheduler, in PEM.")
    var schedulerCert: String?
    @Option(help: "Its key.")
    var schedulerKey: String?

    func validate() throws {
        if let url, RemoteScheduler(url) == nil {
            throw ValidationError("--scheduler '\(url)' is no URL, like https://scheduler.example/v1/heartbeat.")
        }
        if let seconds, !(1...300).contains(seconds) {
            throw ValidationError("--scheduler-interval must be from 1 to 300 seconds.")
        }
        if (schedulerCert == nil) != (schedulerKey == nil) {
            throw ValidationError("--scheduler-cert and --scheduler-key belong together.")
        }
    }

    /// What is built in needs no hurry.
    var interval: Int { seconds ?? (url == nil ? 30 : 5) }

    var scheduler: any Scheduler {
        var trust = RemoteScheduler.Trust()
        trust.authorities = schedulerCa.map { Files.absolute($0) }
        trust.certificate = schedulerCert.map { Files.absolute($0) }
        trust.key = schedulerKey.map { Files.absolute($0) }
        return url.flatMap { RemoteScheduler($0, trust) } ?? BuiltInScheduler()
    }
}
