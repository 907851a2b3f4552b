public import ArgumentParser
public import Btrfs
import Layers
import Linux
import Manifest
import Spec

struct PoolCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a pool; one that exists is mounted.",
        discussion: """
            Examples:
              dish pool create /var/lib/dish/pool --size 20G        in a file, PATH.img
              dish pool create /srv/pool --device /dev/sdb --device /dev/sdc --data raid1 --metadata raid1
              dish pool create /mnt/btrfs/pool                      a directory on a mounted Btrfs
            """)

    @Argument(help: "Where the pool is mounted.", completion: .directory)
    var path: String

    @Option(help: "Size of a loop file, like 20G; space is taken as it is written.")
    var size: String?

    @Option(help: "The loop file (default: PATH.img).")
    var file: String?

    @Option(name: .long, help: "An empty block device; several make one file system.")
    var device: [String] = []

    @Option(help: "How data is spread over devices: single, raid1, raid1c3, raid10, … (default: single).")
    var data: Profile?

    @Option(help: "How metadata is (default: dup, of several devices raid1).")
    var metadata: Profile?

    @Option(help: "How what is written is compressed, like zstd:3.")
    var compression: String?

    @Flag(help: "Don't count and limit disk use: --disk is refused. Kernels before 6.7 can mount only such a pool.")
    var noQuotas = false

    func validate() throws {
        if size != nil, !device.isEmpty { throw ValidationError("--size and --device exclude each other.") }
        if let size, ByteCount(size) == nil { throw ValidationError("--size '\(size)' is not a size, like 20G.") }
        if file != nil, size == nil { throw ValidationError("--file needs --size.") }
        if data != nil || metadata != nil, device.isEmpty { throw ValidationError("--data and --metadata need --device.") }
        for profile in [data, metadata].compactMap({ $0 }) where device.count < profile.leastDevices {
            throw ValidationError("\(profile.rawValue) needs \(profile.leastDevices) devices; there are \(device.count).")
        }
        if let compression, !PoolSettings.isCompression(compression) { throw ValidationError(noCompression(compression)) }
        if compression != nil, size == nil, device.isEmpty {
            throw ValidationError(
                "--compression needs --size or --device: what is mounted by somebody else has that one's options.")
        }
    }

    func run() throws {
        try requireRoot(to: "make a pool")
        let backing: PoolRegistry.Backing
        if let size = size.flatMap({ ByteCount($0) }) {
            backing = .file(Files.resolved(file ?? "\(Files.resolved(path)).img"))
            if size.bytes < 4 << 30 {
                print("note: pools under 4 GiB run out of room for metadata early", to: .errors)
            }
        } else {
            backing = device.isEmpty ? .directory : .devices(device)
        }
        var settings = PoolSettings()
        settings.compression = compression
        let pool = try PoolRegistry.host.create(
            path, on: backing, size: size.flatMap { ByteCount($0)?.bytes }, quotas: !noQuotas,
            profiles: PoolProfiles(data: data, metadata: metadata), settings: compression == nil ? nil : settings)
        if !noQuotas, try !pool.hasQuotas() {
            print("note: this kernel has no simple quotas (6.7 or later); --disk will be refused", to: .errors)
        }
        print(pool.path, to: .output)
    }
}

extension Profile: ExpressibleByArgument {}

func noCompression(_ text: String) -> String {
    "--compression '\(text)' is none: write zstd, zstd:1 to zstd:15, zlib:1 to zlib:9, lzo, or none."
}
