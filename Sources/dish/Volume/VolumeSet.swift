import ArgumentParser
import Layers

struct VolumeSet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Change how a volume is used, or whether a snapshot is kept.",
        discussion: """
            Examples:
              dish volume set data --snapshots hourly=24,daily=7,weekly=4
              dish volume set data --snapshots none --shared
              dish volume set data@20260131T235959Z --pin
            """)

    @Argument(help: "NAME or NAME@SNAPSHOT", completion: .volume)
    var name: String
    @Flag(inversion: .prefixedNo, help: "Let several tasks write to it at once.")
    var shared: Bool?
    @OptionGroup var schedule: VolumeScheduleOption
    @Flag(inversion: .prefixedNo, help: "Keep this snapshot whatever the schedule says.")
    var pin: Bool?
    @OptionGroup var pool: PoolOptions

    func validate() throws {
        if try VolumeReference(name).snapshot == nil {
            if pin != nil { throw ValidationError("--pin is for a snapshot: write NAME@SNAPSHOT.") }
            if shared == nil, schedule.snapshots == nil { throw ValidationError("Say what to change: --snapshots or --shared.") }
        } else if pin == nil || shared != nil || schedule.snapshots != nil {
            throw ValidationError("Of a snapshot only --pin and --no-pin can be changed.")
        }
    }

    func run() throws {
        try requireRoot(to: "change volumes")
        let pool = try pool.open()
        let reference = try VolumeReference(name)
        if let snapshot = reference.snapshot, let pin {
            let changed = try pool.pinSnapshot(snapshot, of: reference.volume, pin)
            return print("\(reference.volume)@\(changed.name)", to: .output)
        }
        print(try pool.setVolume(reference.volume, shared: shared, schedule: schedule.schedule).name, to: .output)
    }
}
