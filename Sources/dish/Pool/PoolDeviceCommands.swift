import ArgumentParser
import Layers
import Linux

/// What the three commands that change a pool's devices say while they are at it.
private let devicesNote = "Tasks go on meanwhile. What is done already is no error."

struct PoolAddDevice: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add-device", abstract: "Add an empty device to a pool.",
        discussion: """
            \(devicesNote) What is there isn't moved: dish pool balance spreads it.

            Examples:
              dish pool add-device /dev/sdd
              dish pool add-device /dev/sdd --pool /srv/pool
            """)

    @Argument(help: "A block device without a file system.")
    var device: String
    @OptionGroup var pool: PoolOptions

    func run() throws {
        try requireRoot(to: "change a pool")
        try PoolRegistry.host.addDevice(device, to: pool.name)
        print(device, to: .output)
    }
}

struct PoolRemoveDevice: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove-device", abstract: "Move what is on a device to the others, and take it out of the pool.",
        discussion: """
            \(devicesNote)

            Examples:
              dish pool remove-device /dev/sdb
              dish pool remove-device 2             one that is missing, by its number: dish pool show
            """)

    @Argument(help: "The device's path or number.")
    var device: String
    @OptionGroup var pool: PoolOptions

    func run() throws {
        try requireRoot(to: "change a pool")
        let progress = LineOfProgress()
        defer { progress.end() }
        try PoolRegistry.host.removeDevice(device, from: pool.name) { left, all in
            progress.show("\(shownBytes(left)) of \(shownBytes(all)) still on \(device)")
        }
        progress.end()
        print(device, to: .output)
    }
}

struct PoolReplaceDevice: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace-device", abstract: "Put a new device in the place of another, healthy, failing or missing.",
        discussion: """
            \(devicesNote) Of a device that had errors only that is read which no other has. What was written
            while one was missing is given the copies that the rest has.

            Examples:
              dish pool replace-device /dev/sdb /dev/sdd
              dish pool replace-device 2 /dev/sdd       one that is missing, by its number: dish pool show
            """)

    @Argument(help: "The device's path or number.")
    var device: String
    @Argument(help: "A block device without a file system, at least as large.")
    var new: String
    @OptionGroup var pool: PoolOptions

    func run() throws {
        try requireRoot(to: "change a pool")
        let progress = LineOfProgress()
        defer { progress.end() }
        let path = try pool.name
        try PoolRegistry.host.replaceDevice(device, by: new, in: path) { step in
            switch step {
            case .copying(let done): progress.show("\(done / 10) % of \(device) on \(new)")
            case .addingCopies(let balance): progress.show("what was written meanwhile: \(shown(balance))")
            }
        }
        progress.end()
        try adviseAgainstDegraded(path)
        print(new, to: .output)
    }

    /// Where nothing is missing any more, the next mount should say so if something is.
    private func adviseAgainstDegraded(_ path: String) throws {
        let options = try PoolRegistry.host.entry(path).settings?.options ?? []
        guard options.contains("degraded"), try PoolRegistry.host.open(path).health(in: .host).problems.isEmpty else { return }
        let rest = options.filter { $0 != "degraded" }
        let wanted = rest.isEmpty ? "none" : rest.joined(separator: ",")
        print(
            "note: the pool is whole, and is still to be mounted without devices that are gone; no more: dish pool set \(path) --mount-options \(wanted)",
            to: .errors)
    }
}

extension PoolOptions {
    /// The pool's path as the registry has it.
    var name: String {
        get throws { try Files.absolute(requested ?? PoolRegistry.host.defaultPath()) }
    }
}
