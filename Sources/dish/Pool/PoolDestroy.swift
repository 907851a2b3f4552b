import ArgumentParser
import Layers

struct PoolDestroy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy", abstract: "Unmount a pool without tasks and remove its loop file.")

    @Argument(help: "The pool's path.")
    var path: String
    @Flag(help: "Really remove every image in it.")
    var yes = false

    func validate() throws {
        if !yes { throw ValidationError("'dish pool destroy' removes every image in the pool; add --yes.") }
    }

    func run() throws {
        try requireRoot(to: "remove a pool")
        try PoolRegistry.host.destroy(path)
    }
}
