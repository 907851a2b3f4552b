/// One file in a tar archive, as its header has it: nothing of it is trusted yet.
struct TarEntry: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case file
        case directory
        case symbolicLink
        /// A further name of the file that `link` names.
        case hardLink
        case characterDevice
        case blockDevice
        case fifo
    }

    /// A piece of a sparse file that has data.
    struct Region: Sendable, Equatable {
        var offset: UInt64
        var length: UInt64
    }

    var path: [UInt8]
    var kind: Kind
    /// Permission bits with set-id and sticky bits.
    var mode: UInt32 = 0o644
    var user: UInt32 = 0
    var group: UInt32 = 0
    /// Of the file when it is unpacked.
    var size: UInt64 = 0
    /// Modification time since 1970.
    var seconds: Int64 = 0
    var nanoseconds: UInt32 = 0
    /// Target of either kind of link.
    var link: [UInt8] = []
    var major: UInt32 = 0
    var minor: UInt32 = 0
    var attributes: [(name: [UInt8], value: [UInt8])] = []
    /// Where the data of a sparse file belongs; nil when all of the file is there.
    var regions: [Region]?

    static func == (left: TarEntry, right: TarEntry) -> Bool {
        left.path == right.path && left.kind == right.kind && left.mode == right.mode && left.user == right.user
            && left.group == right.group && left.size == right.size && left.seconds == right.seconds
            && left.nanoseconds == right.nanoseconds && left.link == right.link && left.major == right.major
            && left.minor == right.minor && left.regions == right.regions
            && left.attributes.elementsEqual(right.attributes) { $0.name == $1.name && $0.value == $1.value }
    }
}
