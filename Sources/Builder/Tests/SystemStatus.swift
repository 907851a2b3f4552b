import Linux

/// How far a booted system is, and how some of its units are, as systemctl(1) shows them.
struct SystemStatus: CustomStringConvertible {
    struct Unit {
        let name: String
        /// `loaded`, `not-found`, …
        let load: String
        /// `active`, `activating`, `failed`, …
        let active: String
        let sub: String

        var state: String { load == "loaded" ? "\(active) (\(sub))" : load }
    }

    /// `starting`, `running`, `degraded`, …; empty when init doesn't answer yet.
    let system: String
    let units: [Unit]

    static let systemQuery = Arguments("systemctl", "show").option("property", "SystemState").list

    static func query(_ units: [String]) -> [String] {
        Arguments("systemctl", "show").option("property", "LoadState,ActiveState,SubState").end(units).list
    }

    init() {
        system = ""
        units = []
    }

    /// From what the two queries printed; the second has a paragraph for each unit.
    init(system: String, units: String, names: [String]) {
        self.system = Self.properties(system)["SystemState"] ?? ""
        let paragraphs = units.split(separator: "\n", omittingEmptySubsequences: false).split(separator: "")
        self.units = zip(names, paragraphs).map { name, lines in
            let properties = Self.properties(lines.joined(separator: "\n"))
            return Unit(
                name: name, load: properties["LoadState"] ?? "", active: properties["ActiveState"] ?? "",
                sub: properties["SubState"] ?? "")
        }
    }

    private static func properties(_ text: String) -> [String: String] {
        let pairs = text.split(separator: "\n").map { $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false) }
        return Dictionary(pairs.filter { $0.count == 2 }.map { (String($0[0]), String($0[1])) }) { $1 }
    }

    /// Whether init has started all it shall start, failed or not, and some units are active.
    func isStarted(with names: [String]) -> Bool {
        ["running", "degraded"].contains(system) && units.count == names.count && units.allSatisfy { $0.active == "active" }
    }

    /// Units that won't become active.
    var broken: [Unit] {
        units.filter { unit in
            unit.active == "failed" || !["", "loaded", "stub"].contains(unit.load)
                || ["running", "degraded"].contains(system) && unit.active == "inactive"
        }
    }

    var description: String {
        let missing = units.filter { $0.active != "active" }.map { ", \($0.name) \($0.state)" }.joined()
        return "the system is \(system.isEmpty ? "not answering" : system)\(missing)"
    }
}
