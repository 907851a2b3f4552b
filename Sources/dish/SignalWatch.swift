import Dispatch
import Glibc

/// Calls back when one of some signals arrives, instead of what it would do.
///
/// Unchecked, because Dispatch doesn't mark its sources, which any thread may use, as sendable.
final class SignalWatch: @unchecked Sendable {
    private let sources: [any DispatchSourceSignal]

    init(_ signals: [CInt], _ body: @escaping @Sendable () -> Void) {
        sources = signals.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler(handler: body)
            source.resume()
            return source
        }
    }

    func stop() {
        for source in sources { source.cancel() }
    }
}
