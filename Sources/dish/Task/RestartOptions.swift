import AgentAPI
import ArgumentParser
import Spec

/// Whether a task is started again, as options.
struct RestartOptions: ParsableArguments {
    @Option(
        help: "no, on-failure[:N] or always: whether it is started again when it ends by itself, at most N times in the window.")
    var restart = "no"
    @Option(help: "Seconds before the first restart; each after a short run waits twice as long.")
    var restartBackoff: Double?
    @Option(help: "The most seconds between restarts (default: 300).")
    var restartBackoffMax: Double?
    @Option(help: "Seconds in which N restarts are the most (default: 600).")
    var restartWindow: Double?

    func validate() throws {
        guard RestartPolicy(restart) != nil else {
            throw ValidationError(
                "--restart '\(restart)': choose no, on-failure, always, or one with a limit, like on-failure:5.")
        }
    }

    var policy: RestartPolicy {
        var policy = RestartPolicy(restart) ?? RestartPolicy()
        policy.backoff = restartBackoff ?? policy.backoff
        policy.longestBackoff = restartBackoffMax ?? policy.longestBackoff
        policy.window = restartWindow ?? policy.window
        return policy
    }
}
