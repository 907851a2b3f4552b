import Glibc
import Manifest

extension ImageBuild {
    func make(_ directory: Directory, in root: borrowing RootDirectory, at place: ManifestError.Place) throws {
        let ids = try Accounts.ids(directory.ownership.owner, directory.ownership.group, in: root, for: place)
        try root.makeDirectory(directory.path, mode: directory.ownership.mode, owner: ids.user, group: ids.group)
    }

    func write(_ file: File, to root: borrowing RootDirectory, at place: ManifestError.Place) throws {
        let ids = try Accounts.ids(file.ownership.owner, file.ownership.group, in: root, for: place)
        try root.write(
            file.path, try inputs.bytes(of: file.content), mode: file.ownership.mode, owner: ids.user, group: ids.group)
    }

    func make(_ device: Device, in root: borrowing RootDirectory, at place: ManifestError.Place) throws {
        let ids = try Accounts.ids(device.ownership.owner, device.ownership.group, in: root, for: place)
        try root.makeDevice(
            device.path, type: device.kind == .char ? S_IFCHR : S_IFBLK, major: device.major, minor: device.minor,
            mode: device.ownership.mode, owner: ids.user, group: ids.group)
    }

    func remove(_ removal: Removal, from root: borrowing RootDirectory, at place: ManifestError.Place) throws {
        guard try !root.remove(removal.path), removal.mustExist else { return }
        throw ManifestError(
            place, "there is nothing at '\(removal.path)' to remove; write 'must_exist: false' if that is fine")
    }
}
