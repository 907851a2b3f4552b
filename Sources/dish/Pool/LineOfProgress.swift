import Synchronization

/// How far something is: a line that is drawn anew on a terminal; elsewhere one now and then, when it has changed.
final class LineOfProgress: Sendable {
    private struct State {
        var text = ""
        var printed = ""
        var at: ContinuousClock.Instant?
    }

    private let state: Mutex<State>
    private let region: LiveRegion?

    init() {
        let text = TextBox()
        box = text
        state = Mutex(State())
        region = LiveRegion { text.value.isEmpty ? [] : [text.value] }
        region?.start()
    }

    private let box: TextBox

    func show(_ text: String) {
        box.set(text)
        guard region == nil else { return }
        let isDue = state.withLock { state in
            guard text != state.printed, state.at.map({ .now - $0 >= .seconds(10) }) ?? true else { return false }
            (state.printed, state.at) = (text, .now)
            return true
        }
        if isDue { print(text, to: .errors) }
    }

    func end() { region?.end() }

    private final class TextBox: Sendable {
        private let text = Mutex("")
        var value: String { text.withLock { $0 } }
        func set(_ new: String) { text.withLock { $0 = new } }
    }
}
