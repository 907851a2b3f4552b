import ArgumentParser
import Layers

/// What an image that comes from elsewhere is called: the receiver's decision.
struct ReceivedNameOptions: ParsableArguments {
    @Option(help: "What the image is called here; an image that has the name loses it.")
    var name: String?
    @Flag(help: "Take the names that are in the file. A name that another image has is refused.")
    var trustNames = false
    @Flag(help: "With --trust-names: take names away from other images.")
    var force = false

    func validate() throws {
        guard name == nil || !trustNames else { throw ValidationError("--name and --trust-names exclude each other.") }
        guard trustNames || !force else { throw ValidationError("--force is for --trust-names.") }
    }

    var names: ReceivedNames {
        if let name { return .name(name) }
        return trustNames ? .fromFile(replacing: force) : .none
    }

    /// How an image without a name gets one.
    static func suggest(_ layer: LayerID) {
        print("the image has no name; give it one: dish image tag \(layer.short) NAME", to: .errors)
    }
}
