/// Signals that ask a command to end, by their names (signal(7)).
public enum Signal {
    /// A signal's number from `SIGTERM`, `TERM` or `15`; nil for anything else.
    public static func number(_ text: String) -> Int? {
        if let number = Int(text) { return (1...64).contains(number) ? number : nil }
        return numbers[text.hasPrefix("SIG") ? text : "SIG" + text]
    }

    private static let numbers = [
        "SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGKILL": 9, "SIGUSR1": 10, "SIGUSR2": 12, "SIGTERM": 15, "SIGWINCH": 28,
    ]
}

extension TextForm {
    static let signal = TextForm("a signal", pattern: "^([A-Z0-9]+|[0-9]+)$") { text, what in
        Signal.number(text) != nil ? nil : "\(what) must be a signal like SIGTERM, not '\(text)'"
    }
}
