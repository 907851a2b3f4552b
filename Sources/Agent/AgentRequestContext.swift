import Hummingbird
import NIOCore

/// What is known of a request beside its text.
struct AgentRequestContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    /// Who asks; set before any route is reached.
    var caller: APICaller?
    /// What must be so for a change to be made.
    var precondition = Precondition.none
    /// What a creation with an idempotency key is called, also when it is asked for again.
    var reservedName: String?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// Who asks, for the events.
    func because() -> String { "asked for by \(caller?.name ?? "somebody")" }
}
