import AgentAPI
import Spec

/// Whether a request makes sense, whatever the host, its images and its other tasks. What is wrong is named by its field's path.
struct RequestCheck {
    let request: TaskRequest

    init(_ request: TaskRequest) { self.request = request }

    func run() throws(AgentError) {
        if let command = request.command, command.first?.isEmpty != false {
            throw AgentError(.invalid, "is empty; name a program, or leave the field out", at: "command")
        }
        if request.removeWhenDone, request.restart.mode != .no {
            throw AgentError(
                .invalid, "what is removed when it ends can't be started again; leave one of both out",
                at: "restart.mode")
        }
        for (index, check) in request.health.enumerated() {
            let field = "health[\(index)]"
            switch check.probe {
            case .command(let command) where command.first?.isEmpty == true:
                throw AgentError(.invalid, "the command is empty", at: field)
            case .unit where request.command != nil:
                throw AgentError(.invalid, "the task runs a command, and has no units", at: field)
            default: break
            }
        }
    }
}
