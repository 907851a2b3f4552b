import ArgumentParser

/// What `dish top` sorts tasks by.
enum TopOrder: String, CaseIterable, ExpressibleByArgument {
    case cpu, memory, io, stalled, pids, disk, name

    /// Its key on the keyboard.
    var key: Character {
        switch self {
        case .stalled: "s"
        default: rawValue.first ?? " "
        }
    }

    init?(key: Character) {
        guard let order = Self.allCases.first(where: { $0.key == key }) else { return nil }
        self = order
    }
}
