import CLinux
import Glibc
import Linux

/// Changes a tree at random in everything that a layer's identity has: all types of files, names of any bytes, owners, modes,
/// times, attributes, ACLs, capabilities, hard links, holes.
struct RandomLayer {
    private let root: String
    private var directories = [""]
    /// Regular files.
    private var files: [String] = []
    private var others: [String] = []
    private var counter = 0
    private var random: SeededGenerator

    init(_ root: String, seed: Int) {
        self.root = root
        random = SeededGenerator(UInt64(seed))
    }

    /// The same tree elsewhere.
    func moved(to root: String) -> RandomLayer {
        var copy = RandomLayer(root, seed: 0)
        (copy.directories, copy.files, copy.others) = (directories, files, others)
        (copy.counter, copy.random) = (counter, random)
        return copy
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    private mutating func content(_ count: Int) -> [UInt8] {
        // Runs of blocks, some of them zero, some repeated: what deltas have to tell apart.
        var bytes: [UInt8] = []
        while bytes.count < count {
            let byte = UInt8(number(0...3) == 0 ? 0 : number(0...255))
            let isNoise = number(0...2) == 0
            for _ in 0..<min(count - bytes.count, [100, 4096, 8192, 50_000][number(0...3)]) {
                bytes.append(isNoise ? UInt8.random(in: 0...255, using: &random) : byte)
            }
        }
        return bytes
    }

    private mutating func newName() -> String {
        counter += 1
        let directory = directories.randomElement(using: &random)!
        let name =
            switch number(0...12) {
            case 0: "new\nline-\(counter)"
            case 1: "\\ -*?\u{1b}[31m-\(counter)"
            case 2: String(repeating: "x", count: 255 - "-\(counter)".count) + "-\(counter)"
            case 3: ".dish-move-\(counter)"
            default: "\(["a", "m", "z"][number(0...2)])\(counter)"
            }
        // Depth is tested elsewhere; paths end at 4096 bytes.
        return directory.utf8.count > 1500 ? "/\(name)" : "\(directory)/\(name)"
    }

    mutating func change(_ count: Int) throws {
        for _ in 0..<count {
            try changeOnce()
            let touched = [files.randomElement(using: &random), directories.randomElement(using: &random)][number(0...1)]
            if let touched { setTime(touched) }
        }
    }

    private mutating func setTime(_ path: String) {
        _ = dish_set_times(
            AT_FDCWD, root + path + (path.isEmpty ? "/" : ""), 0, 0, Int64(number(0...1_500_000_000)),
            UInt32(number(0...999_999_999)))
    }

    private mutating func changeOnce() throws {
        let new = newName()
        let file = files.randomElement(using: &random)
        switch (number(0...27), file) {
        case (0...2, _):
            guard mkdir(root + new, 0o755) == 0 else { return }
            directories.append(new)
        case (3, _): if symlink("target-\(counter)", root + new) == 0 { others.append(new) }
        case (4, _): if mkfifo(root + new, 0o640) == 0 { others.append(new) }
        case (5, _):
            // Those that a layer may have.
            let (major, minor) = [(0, 0), (1, 3), (1, 5), (1, 9), (5, 0), (5, 2)][number(0...5)] as (UInt32, UInt32)
            if mknod(root + new, S_IFCHR | 0o620, dev_t(dish_makedev(major, minor))) == 0 {
                others.append(new)
            }
        case (6, _): if mknod(root + new, S_IFSOCK | 0o600, 0) == 0 { others.append(new) }
        case (7, let file?): if link(root + file, root + new) == 0 { files.append(new) }
        case (8, _):
            guard let other = others.randomElement(using: &random) else { return }
            if link(root + other, root + new) == 0 { others.append(new) }
        case (9, let file?): chmod(root + file, mode_t(number(0...0o7777)))
        case (10, let file?): chown(root + file, uid_t(number(0...2000)), gid_t(number(0...3)))
        case (11, _):
            let directory = directories.randomElement(using: &random)!
            chown(root + directory, uid_t(number(0...3)), gid_t(number(0...3)))
            chmod(root + directory, mode_t(0o700 | number(0...0o3077)))
        case (12, _):
            // A link's owner, or a special file's.
            if let other = others.randomElement(using: &random) { lchown(root + other, uid_t(number(0...9)), 5) }
        case (13, let file?): setAttributes(file)
        case (14, _): setDefaults(directories.randomElement(using: &random)!)
        case (15, let file?): truncate(root + file, off_t(number(0...300_000)))
        case (16, let file?), (17, let file?): try rewrite(file)
        case (18, let file?):
            unlink(root + file)
            files.removeAll { $0 == file }
        case (19, _):
            guard let other = others.randomElement(using: &random) else { return }
            unlink(root + other)
            others.removeAll { $0 == other }
        case (20, let file?):
            if rename(root + file, root + new) == 0 {
                files.removeAll { $0 == file }
                files.append(new)
            }
        case (21, _): moveDirectory(to: new)
        case (22, let file?):
            // What was a file becomes a directory or a link of the same name, or the other way round.
            unlink(root + file)
            files.removeAll { $0 == file }
            if number(0...1) == 0, mkdir(root + file, 0o711) == 0 { directories.append(file) }
        case (23, let file?):
            // A copy, and now and then the old one goes.
            try write(new, try Files.read(root + file))
        case (24, _): try makeSparse(new)
        default:
            let sizes = [0, 10, 1500, 4096, 9000, 200_000, 400_001]
            try write(new, content(sizes.randomElement(using: &random)!))
        }
    }

    private mutating func write(_ path: String, _ bytes: [UInt8]) throws {
        let file = try OwnedFD.open(root + path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        try Files.write(bytes, to: file.number, path)
        files.append(path)
    }

    private mutating func setAttributes(_ file: String) {
        func set(_ name: String, _ value: [UInt8]) { _ = dish_setxattr(root + file, name, value, UInt(value.count), 0) }
        switch number(0...4) {
        case 0: set("user.test-\(number(0...2))", content(number(0...3000)))
        case 1: set("trusted.test", [])
        case 2:
            // cap_net_bind_service+ep, as setcap(8) writes it.
            set("security.capability", [1, 0, 0, 2, 0, 4, 0, 0] + [UInt8](repeating: 0, count: 12))
        case 3: set("system.posix_acl_access", acl(user: UInt32(number(1...9))))
        default: _ = dish_removexattr(root + file, "user.test-\(number(0...2))", 0)
        }
    }

    /// What things made in a directory inherit.
    private mutating func setDefaults(_ directory: String) {
        let path = root + directory + "/"
        let value = acl(user: UInt32(number(1...9)))
        switch number(0...3) {
        case 0, 1: _ = dish_setxattr(path, "system.posix_acl_default", value, UInt(value.count), 1)
        case 2: _ = dish_removexattr(path, "system.posix_acl_default", 1)
        default:
            let name = Array(["zstd", "zlib", "lzo"][number(0...2)].utf8)
            if !directory.isEmpty { _ = dish_setxattr(path, "btrfs.compression", name, UInt(name.count), 1) }
        }
    }

    /// `user::rwx, user:N:r-x, group::r-x, mask::r-x, other::---` in the kernel's form.
    private func acl(user: UInt32) -> [UInt8] {
        func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        let entries: [(UInt16, UInt16, UInt32)] = [(1, 7, .max), (2, 5, user), (4, 5, .max), (16, 5, .max), (32, 0, .max)]
        return little(UInt32(2)) + entries.flatMap { little($0.0) + little($0.1) + little($0.2) }
    }

    /// Writes into the middle of a file, sometimes zeros.
    private mutating func rewrite(_ path: String) throws {
        var status = stat()
        guard stat(root + path, &status) == 0, status.st_size > 0 else { return }
        let file = try OwnedFD.open(root + path, O_WRONLY)
        let bytes = number(0...2) == 0 ? [UInt8](repeating: 0, count: number(1...20_000)) : content(number(1...20_000))
        pwrite(file.number, bytes, bytes.count, off_t(number(0...Int(status.st_size))))
    }

    private mutating func makeSparse(_ path: String) throws {
        let file = try OwnedFD.open(root + path, O_WRONLY | O_CREAT, mode: 0o644)
        for _ in 0..<number(0...3) {
            let bytes = content(number(1...9000))
            pwrite(file.number, bytes, bytes.count, off_t(number(0...2_000_000)))
        }
        if number(0...1) == 0 { ftruncate(file.number, off_t(number(0...3_000_000))) }
        files.append(path)
    }

    private mutating func moveDirectory(to new: String) {
        guard let directory = directories.dropFirst().randomElement(using: &random), !new.hasPrefix(directory + "/"),
            rename(root + directory, root + new) == 0
        else { return }
        func follow(_ path: String) -> String {
            path == directory || path.hasPrefix(directory + "/") ? new + path.dropFirst(directory.count) : path
        }
        directories = directories.map(follow)
        files = files.map(follow)
        others = others.map(follow)
    }
}
