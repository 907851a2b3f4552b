import Testing

@testable import Btrfs
@testable import Layers

struct PoolHealthTests {
    private func device(_ id: UInt64, isMissing: Bool = false, corruptions: UInt64 = 0) -> Device {
        Device(
            id: id, path: isMissing ? "" : "/dev/\(id)", size: 1 << 30, allocated: 0, isMissing: isMissing, isCut: false,
            errors: DeviceErrors(corruptions: corruptions))
    }

    private func part(_ kind: Allocation.Kind, _ profile: Profile, used: UInt64 = 1 << 20) -> Allocation {
        Allocation(kind: kind, profile: profile, size: 1 << 28, used: used)
    }

    @Test func adviceNamesADeviceByItsPathOrNumber() {
        let health = PoolHealth([device(1, corruptions: 3), device(2, isMissing: true), device(3)], [], isChanging: false)
        #expect(
            health.problems.map(\.subject) == ["device 1", "device 2"] && health.problems.map(\.kind) == ["failing", "missing"])
        #expect(health.problems[0].description.contains("replace-device /dev/1 NEW"))
        #expect(health.problems[1].description.contains("replace-device 2 NEW"))
    }

    @Test func whatHasFewerCopiesThanTheRestIsAProblemOnceNoDeviceIsMissing() {
        let mixed = [
            part(.data, .raid1), part(.data, .single), part(.metadata, .raid1c3), part(.metadata, .raid1), part(.system, .raid1),
        ]
        let thin = PoolHealth([device(1), device(2)], mixed, isChanging: false).problems
        #expect(thin.map(\.subject) == ["data", "metadata"] && thin.map(\.kind) == ["thin", "thin"])
        #expect(thin[0].description.contains("balance start --data raid1") && thin[1].description.contains("--metadata raid1c3"))
        // What has been set aside and is empty, or is about to be converted, isn't one.
        #expect(
            PoolHealth([device(1)], [part(.data, .raid1), part(.data, .single, used: 0)], isChanging: false).problems.isEmpty)
        #expect(PoolHealth([device(1)], mixed, isChanging: true).problems.isEmpty)
        #expect(PoolHealth([device(1, isMissing: true)], mixed, isChanging: false).problems.map(\.kind) == ["missing"])
        #expect(PoolHealth([device(1)], [part(.data, .single), part(.metadata, .dup)], isChanging: false).problems.isEmpty)
    }

    @Test func aMountWithoutChecksumsIsAProblem() {
        let problems = PoolHealth([device(1)], [], isChanging: false, options: "rw,nodatasum,nodatacow,space_cache=v2").problems
        #expect(problems.map(\.subject) == ["mount"] && problems.map(\.kind) == ["without checksums"])
        #expect(problems[0].description.contains("mounted with nodatacow"))
        #expect(PoolHealth([device(1)], [], isChanging: false, options: "rw,datasum,compress=zstd:3").problems.isEmpty)
    }

    @Test(arguments: [("7d", Int64(604_800)), ("12h", 43200), ("30m", 1800), ("1m", 60), ("100m", 6000)])
    func timesAreWrittenAsTheyAreRead(_ text: String, _ seconds: Int64) {
        #expect(PoolSettings.seconds(text) == seconds && PoolSettings.text(ofSeconds: seconds) == text)
    }
}
