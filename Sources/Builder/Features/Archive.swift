import Linux

/// An archive that the host's tar(1) unpacks.
struct Archive: Sendable {
    let path: String

    init(_ path: String) {
        self.path = path
    }

    /// Unpacks into an empty directory, of which GNU tar leads no name out: it removes leading slashes, refuses
    /// `..`, and makes links that could lead out only when all else is done.
    ///
    /// - Parameter keepingOwners: whether numeric owners are kept; else all of it belongs to root.
    func unpack(into directory: String, keepingOwners: Bool, strip: UInt32 = 0) async throws {
        guard let tar = Executable.find("tar") else {
            throw BuildError(.path, "unpack '\(path)': tar is not installed; install it: apt-get install tar")
        }
        let result = try await Command(
            tar,
            [
                "--extract", "--file=\(path)", "--directory=\(directory)", "--numeric-owner", "--preserve-permissions",
                keepingOwners ? "--same-owner" : "--no-same-owner", "--strip-components=\(strip)", "--xattrs",
                "--xattrs-include=security.capability", "--xattrs-include=user.*", "--delay-directory-restore",
                "--warning=no-timestamp", "--force-local",
            ]
        ).run()
        guard result.status.isSuccess else {
            let lines = result.errorText.split(separator: "\n").suffix(5).joined(separator: "\n  ")
            throw BuildError(.path, "unpack '\(path)': \(lines)")
        }
    }
}
