import Testing

@testable import Layers

struct PoolSubjectTests {
    @Test(arguments: [
        ("", PoolSubject.pool), ("layers/ab/rootfs", .layer("ab")), ("layers/ab/rootfs/var/lib/machines", .layer("ab")),
        ("tasks/1/rootfs", .task("1")), ("tasks/1/rootfs/srv/nested", .task("1")), ("tasks/1/rollback/rootfs", .task("1")),
        ("tasks/1/snapshots/a/rootfs", .taskSnapshot(task: "1", name: "a")), ("tasks/1/logs", .logs("1")),
        ("logs/1/logs", .logs("1")), ("volumes/v/data", .volume("v")), ("volumes/v/data/nested", .volume("v")),
        ("volumes/v/snapshots/s/data", .volumeSnapshot(volume: "v", name: "s")), ("failed/x/rootfs", .failed("x")),
        ("staging/ab/rootfs", .staging), ("mine", .other("mine")), ("layers/ab", .other("layers/ab")),
    ])
    func aSubvolumeIsWhoseItsPathSays(path: String, subject: PoolSubject) {
        #expect(PoolSubject(path) == subject)
    }

    @Test(arguments: [
        ("zstd", true), ("zstd:3", true), ("zstd:15", true), ("zstd:16", false), ("zlib:9", true), ("lzo", true),
        ("lzo:1", false),
        ("none", false), ("zstd,discard", false), ("", false), ("zstd:", false), ("zstd:3:4", false),
    ])
    func compressionIsWhatTheKernelKnows(text: String, isOne: Bool) {
        #expect(PoolSettings.isCompression(text) == isOne)
    }

    @Test(arguments: [
        ("discard=async", true), ("commit=60", true), ("degraded", true), ("subvol=/", false), ("commit=x", false),
        ("device=/dev/sda", false), ("ro", false), ("rescue=all", false),
    ])
    func mountOptionsThatChangeWhatIsShownAreNone(text: String, isOne: Bool) {
        #expect(PoolSettings.isMountOption(text) == isOne)
    }
}
