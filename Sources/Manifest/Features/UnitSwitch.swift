/// Whether a unit is started: what systemctl(1) of the image does to its links.
public struct UnitSwitch: FeatureContent {
    public enum Verb: String, Sendable, Equatable, Encodable, CaseIterable {
        case enable, disable, mask
    }

    public let verb: Verb
    public let unit: String

    static let rank = 150
    var name: String { "\(verb) \(unit)" }
    // A unit has one state.
    var provides: [Provision] { [.setting("state of the unit \(unit)")] }
    var requires: [Provision] { verb == .enable ? [.unit(unit)] : [] }
}
