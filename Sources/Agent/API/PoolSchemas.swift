import AgentAPI
import Btrfs
import Layers

/// What a pool is on.
extension APIObject {
    static let poolReport = APIObject(
        "PoolReport", "A pool's devices, how its content is spread over them, and what is under way; in bytes.",
        [
            APIField("path", .text(), "Where it is.", required: true),
            APIField("uuid", .text(), "The file system's.", required: true),
            APIField("total", .count, "All.", required: true), APIField("available", .count, "What is left.", required: true),
            APIField("healthy", .boolean, "Whether nothing is wrong.", required: true),
            APIField("problems", .list(of: .any, atMost: 100_000), "What is wrong, each with what to do.", required: true),
            APIField("devices", .list(of: .object(.device), atMost: 100_000), "Devices.", required: true),
            APIField("states", .list(of: .object(.deviceStatus), atMost: 100_000), "How each device is.", required: true),
            APIField(
                "degradedMounts", .list(of: .object(.degradedMount), atMost: 20), "The last mounts without all devices.",
                required: true),
            APIField("allocations", .list(of: .object(.allocation), atMost: 100), "What is set aside for what.", required: true),
            APIField("settings", .object(.poolSettings), "What people have chosen."),
            APIField("mountOptions", .any, "What it is mounted with.", required: true),
            APIField("scrub", .object(.scrubStatus), "The one under way."),
            APIField("lastScrub", .object(.scrubRecord), "The last one that ended."),
            APIField("layerChecks", .object(.layerChecks), "How far layers are checked.", required: true),
            APIField("damagedLayers", .list(of: .object(.damagedLayer), atMost: 100_000), "Those that failed.", required: true),
            APIField(
                "unchecked", .list(of: .object(.uncheckedFiles), atMost: 100_000), "Who has files without checksums.",
                required: true),
            APIField("balance", .object(.balanceProgress), "The one under way, or paused."),
            APIField("replacement", .count, "How much of a device is on the new one, in thousandths."),
        ])

    static let device = APIObject(
        "Device", "A device of a pool.",
        [
            APIField("id", .count, "Its number.", required: true),
            APIField("path", .any, "Empty for one that is missing.", required: true),
            APIField("size", .count, "Bytes.", required: true), APIField("allocated", .count, "Bytes.", required: true),
            APIField("isMissing", .boolean, "Whether it is gone.", required: true),
            APIField("isCut", .boolean, "Whether it has become smaller than its part of the pool.", required: true),
            APIField("errors", .object(.deviceErrors), "What went wrong since that was last counted from 0.", required: true),
        ])

    static let deviceStatus = APIObject(
        "DeviceStatus", "How a device is.",
        [
            APIField("device", .count, "Its number.", required: true),
            APIField("state", .word(PoolHealth.DeviceState.self), "The worst that is wrong with it.", required: true),
            APIField("generation", .count, "The last commit on it."),
        ])

    static let degradedMount = APIObject(
        "DegradedMount", "A mount without all devices.",
        [
            APIField("time", .count, "Seconds since 1970.", required: true),
            APIField("generation", .count, "The last commit before it.", required: true),
            APIField("present", .list(of: .count, atMost: 100_000), "Numbers of the devices that were there.", required: true),
            APIField("deviceCount", .count, "Number of devices of the file system.", required: true),
        ])

    static let deviceErrors = APIObject(
        "DeviceErrors", "How often something went wrong with a device.",
        [
            APIField("writes", .count, "Writes that failed.", required: true),
            APIField("reads", .count, "Reads that failed.", required: true),
            APIField("flushes", .count, "Flushes that failed.", required: true),
            APIField("corruptions", .count, "Content that didn't match its checksum.", required: true),
            APIField("generations", .count, "Writes that never arrived.", required: true),
        ])

    static let allocation = APIObject(
        "Allocation", "What is set aside for one kind of content with one profile; bytes, copies counted once.",
        [
            APIField("kind", .any, "`data`, `metadata`, `system`, `mixed`.", required: true),
            APIField("profile", .word(Profile.self), "How it is spread over devices.", required: true),
            APIField("size", .count, "All.", required: true), APIField("used", .count, "What is in use.", required: true),
        ])

    static let poolSettings = APIObject(
        "PoolSettings", "What people have chosen for a pool.",
        [
            APIField("compression", .text(), "How what is written is compressed."),
            APIField("options", .list(of: .text(), atMost: 100), "Further options of the mount."),
            APIField("scrubEvery", .count, "After how many seconds it is scrubbed again."),
            APIField("checkRate", .count, "Bytes of layers that are compared with their ids in a second; 0 for none."),
        ])

    static let layerChecks = APIObject(
        "LayerChecks", "How far the content of layers is compared with their ids.",
        [
            APIField("rate", .count, "Bytes in a second; 0 for never.", required: true),
            APIField("every", .count, "Seconds after which each is compared again.", required: true),
            APIField("layers", .count, "All.", required: true),
            APIField("checked", .count, "Those that were compared within that time and haven't changed since.", required: true),
        ])

    static let uncheckedFiles = APIObject(
        "UncheckedFiles", "Files without checksums.",
        [
            APIField("name", .any, "Such as task web, or volume data.", required: true),
            APIField("files", .count, "How many.", required: true),
            APIField("bytes", .count, "What they have.", required: true),
        ])

    static let damagedLayer = APIObject(
        "DamagedLayer", "A layer whose content isn't what its id says.",
        [
            APIField("id", .text(), "Its id.", required: true),
            APIField("label", .any, "What it was built for, or imported as.", required: true),
            APIField("names", .list(of: .any, atMost: 100_000), "Names that it had.", required: true),
            APIField("problem", .any, "What is wrong.", required: true),
            APIField("found", .integer(Int64.min...Int64.max), "When that was found, in seconds since 1970.", required: true),
            APIField("tasks", .list(of: .any, atMost: 100_000), "Tasks that stand on it.", required: true),
            APIField("place", .any, "The directory that it was moved to."),
        ])

    static let scrubStatus = APIObject(
        "ScrubStatus", "A scrub under way.",
        [
            APIField("progress", .object(.scrubProgress), "What it has looked at.", required: true),
            APIField("expected", .count, "How many bytes it will read, about.", required: true),
        ])

    static let scrubProgress = APIObject(
        "ScrubProgress", "What a scrub has looked at and found.",
        [
            APIField("data", .count, "Bytes of files.", required: true),
            APIField("metadata", .count, "Bytes of trees.", required: true),
            APIField("readErrors", .count, "Blocks that can't be read.", required: true),
            APIField("checksumErrors", .count, "Blocks that don't match their checksums.", required: true),
            APIField("verifyErrors", .count, "Blocks of trees that aren't what they should be.", required: true),
            APIField("superblockErrors", .count, "Superblocks.", required: true),
            APIField("corrected", .count, "Errors that another copy put right.", required: true),
            APIField("uncorrectable", .count, "Those that no copy could.", required: true),
        ])

    static let scrubRecord = APIObject(
        "ScrubRecord", "A scrub that has ended.",
        [
            APIField("started", .integer(Int64.min...Int64.max), "Seconds since 1970.", required: true),
            APIField("ended", .integer(Int64.min...Int64.max), "Seconds since 1970.", required: true),
            APIField("outcome", .any, "`finished`, `cancelled`, `failed`.", required: true),
            APIField("by", .any, "`schedule`, `command`.", required: true),
            APIField("found", .object(.scrubProgress), "What it found.", required: true),
            APIField("failure", .any, "Why it failed."),
        ])

    static let balanceProgress = APIObject(
        "BalanceProgress", "How far a balance is, in block groups.",
        [
            APIField("isRunning", .boolean, "Or it is paused.", required: true),
            APIField("expected", .count, "How many will be written anew, about.", required: true),
            APIField("considered", .count, "How many it has looked at.", required: true),
            APIField("completed", .count, "How many it has written anew.", required: true),
        ])
}
