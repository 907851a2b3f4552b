import AgentAPI
import ArgumentParser
import Spec

/// What a task may ask of the kernel.
struct SecurityOptions: ParsableArguments {
    @Option(
        help: "What it may ask of the kernel: default, confined (a command without any capability) or system (as a booted one).",
        transform: Self.security)
    var security = TaskSecurity.default
    @Option(help: "A capability that it has beside that, like SYS_PTRACE; may be repeated.")
    var capAdd: [String] = []
    @Option(help: "A capability that it hasn't, or 'all'; may be repeated.")
    var capDrop: [String] = []

    var capabilities: TaskCapabilities { TaskCapabilities(add: capAdd, drop: capDrop) }

    private static func security(_ text: String) throws -> TaskSecurity {
        guard let security = TaskSecurity(rawValue: text) else {
            throw ValidationError("--security '\(text)': choose default, confined or system.")
        }
        return security
    }
}
