import Glibc
import Layers
import Linux
import Manifest

/// Resolves Python environments to wheels, and brings wheels into a pool's cache.
struct WheelStore: Sendable {
    let cache: String

    /// The inputs that decide which wheels fit: versions of the image's Debian packages.
    struct Target {
        /// Like `3.11`.
        let python: String
        /// The second number of the C library's version.
        let glibc: Int
    }

    /// Resolves an environment to the newest wheels that fit, which are in the cache then.
    func resolve(_ environment: PythonEnvironment, for target: Target) async throws -> LockedEnvironment {
        let pip = try await HostPip(for: target.python)
        let wheels = try await inDirectory { folder in
            let names = try await pip.download(
                environment.packages, python: target.python, glibc: target.glibc, to: folder)
            return try keep(names, in: folder, isInstaller: false)
        }
        let installer = try await inDirectory { folder in
            let names = try await pip.download(["pip"], python: target.python, glibc: target.glibc, to: folder)
            return try keep(names, in: folder, isInstaller: true)
        }
        return LockedEnvironment(path: environment.path, python: target.python, wheels: wheels + installer)
    }

    /// Fetches the wheels of an environment that aren't in the cache.
    ///
    /// - Throws: `BuildError` when the index hasn't got one any more, or has another content under its name.
    func fetch(_ environment: LockedEnvironment) async throws {
        let wheels = environment.wheels
        // The pip that installs may be another one than the environment has.
        for isInstaller in [false, true] {
            let missing = wheels.filter { $0.isInstaller == isInstaller && !isHere($0) }
            guard !missing.isEmpty else { continue }
            let pip = try await HostPip(for: nil)
            _ = try await inDirectory { folder in
                try keep(
                    try await pip.download(missing, python: environment.python, to: folder), in: folder, isInstaller: isInstaller)
            }
        }
        if let absent = wheels.first(where: { !isHere($0) }) {
            throw BuildError(
                .python,
                "fetch \(absent.file): the index has another content under this name than the lock file wants; resolve the packages again: dish image plan LABEL"
            )
        }
    }

    /// Takes the wheels of a folder, in which people keep them, into the cache.
    func supply(_ wheels: [LockedWheel], from folder: String) throws {
        for wheel in wheels where !isHere(wheel) {
            let path = "\(folder)/\(wheel.file)"
            guard Files.exists(path) else {
                throw BuildError(
                    .python,
                    "there is no '\(path)', which the lock file wants; keep the packages again: dish image plan --vendor \(folder) //..."
                )
            }
            let content = try Files.read(path)
            guard hexadecimal(ContentHash.bytes(content)) == wheel.sha256 else {
                throw BuildError(
                    .python,
                    "'\(path)' doesn't have the SHA-256 of the lock file; remove it and keep the packages again: dish image plan --vendor \(folder) //..."
                )
            }
            try Files.makeDirectories("\(cache)/wheels", mode: 0o755)
            try Files.replace(wheel.cachePath(in: cache), with: content, durable: false)
        }
    }

    /// Puts copies of wheels into a folder; those that are there stay.
    func keep(_ wheels: [LockedWheel], in folder: String) throws {
        try Files.makeDirectories(folder)
        for wheel in wheels where !Files.exists("\(folder)/\(wheel.file)") {
            try Files.replace("\(folder)/\(wheel.file)", with: try Files.read(wheel.cachePath(in: cache)), durable: false)
        }
    }

    /// A file has its name in the cache only when its digest is known.
    private func isHere(_ wheel: LockedWheel) -> Bool {
        var status = stat()
        return stat(wheel.cachePath(in: cache), &status) == 0 && Int(status.st_size) == wheel.size
    }

    /// Moves downloaded files into the cache, under their digests.
    private func keep(_ names: [String], in folder: String, isInstaller: Bool) throws -> [LockedWheel] {
        try names.map { name in
            guard let parts = LockedWheel.parts(of: name) else {
                throw BuildError(.python, "pip fetched '\(name)', which is not a wheel's name")
            }
            let path = "\(folder)/\(name)"
            let file = try OwnedFD.open(path, O_RDONLY | O_NOFOLLOW)
            let status = try file.status()
            let digest = hexadecimal(try ContentHash.file(file, path))
            let wheel = LockedWheel(
                name: parts.name, version: parts.version, file: name, size: Int(status.st_size), sha256: digest,
                isInstaller: isInstaller)
            chmod(path, 0o644)
            try retryingInterrupts("rename '\(path)' to", wheel.cachePath(in: cache)) { rename(path, wheel.cachePath(in: cache)) }
            return wheel
        }
    }

    /// A directory beside the wheels, so that they can be moved.
    private func inDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        let folder = "\(cache)/wheels/\(getpid()).\(UInt32.random(in: 0 ... .max)).new"
        try Files.makeDirectories(folder, mode: 0o755)
        defer { try? Files.removeTree(folder) }
        return try await body(folder)
    }
}
