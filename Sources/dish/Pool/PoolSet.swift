import ArgumentParser
import Layers
import Linux
import Manifest
import Spec

struct PoolSet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Change a pool's compression, mount options, scrubs and checks, while it is in use.",
        discussion: """
            It is kept, and holds for every later mount. Compression is of what is written from now on.

            Examples:
              dish pool set --compression zstd:3 --scrub-every 7d
              dish pool set /srv/pool --mount-options discard=async,commit=60
              dish pool set --compression none --scrub-every never --mount-options none
              dish pool set --check-rate 32M
            """)

    @OptionGroup var pool: PoolPath
    @Option(help: "zstd, zstd:1 to zstd:15, zlib:1 to zlib:9, lzo; or none.")
    var compression: String?
    @Option(help: "Options of Btrfs, with commas: discard=async, autodefrag, commit=60, degraded, …; or none.")
    var mountOptions: String?
    @Option(
        help: "How often the agent scrubs it, and checks each layer: 7d, 12h; or never, which leaves layers checked each week.")
    var scrubEvery: String?
    @Option(help: "How much of layers the agent compares with their ids in a second: 8M, which is the default; or none.")
    var checkRate: String?
    @OptionGroup var json: JSONOption

    func validate() throws {
        if compression == nil, mountOptions == nil, scrubEvery == nil, checkRate == nil {
            throw ValidationError("Say what to change: --compression, --mount-options, --scrub-every, --check-rate.")
        }
        if let compression, compression != "none", !PoolSettings.isCompression(compression) {
            throw ValidationError(noCompression(compression))
        }
        for option in options ?? [] where !PoolSettings.isMountOption(option) {
            throw ValidationError("--mount-options '\(option)' is none that a pool can have; see: dish pool set --help")
        }
        if let scrubEvery, scrubEvery != "never", PoolSettings.seconds(scrubEvery) == nil {
            throw ValidationError("--scrub-every '\(scrubEvery)' is no time: write 7d, 12h, 30m, or never.")
        }
        if let checkRate, checkRate != "none", (ByteCount(checkRate)?.bytes ?? 0) < PoolSettings.leastCheckRate {
            throw ValidationError(
                "--check-rate '\(checkRate)' is no rate: write bytes in a second, at least 64K, like 8M; or none.")
        }
    }

    /// Nil: they stay.
    private var options: [String]? {
        mountOptions.map { $0 == "none" ? [] : $0.split(separator: ",").map(String.init) }
    }

    func run() throws {
        try requireRoot(to: "change a pool")
        let settings = try PoolRegistry.host.set(pool.name) { settings in
            if let compression { settings.compression = compression == "none" ? nil : compression }
            if let options { settings.options = options.isEmpty ? nil : options }
            if let scrubEvery { settings.scrubEvery = PoolSettings.seconds(scrubEvery) }
            if let checkRate { settings.checkRate = checkRate == "none" ? 0 : ByteCount(checkRate)?.bytes }
        }
        if json.json { return try printJSON(settings) }
        print(try pool.name, to: .output)
    }
}

struct PoolGrow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grow", abstract: "Make a pool larger while it is in use.",
        discussion: """
            A pool in a file gets the size that is asked for; one on devices what they have.

            Examples:
              dish pool grow /var/lib/dish/pool --size 40G
              dish pool grow /srv/pool
            """)

    @OptionGroup var pool: PoolPath
    @Option(help: "The size of the file, like 40G.")
    var size: String?

    func validate() throws {
        if let size, ByteCount(size) == nil { throw ValidationError("--size '\(size)' is not a size, like 40G.") }
    }

    func run() throws {
        try requireRoot(to: "change a pool")
        try PoolRegistry.host.grow(pool.name, to: size.flatMap { ByteCount($0)?.bytes })
        print(try pool.name, to: .output)
    }
}
