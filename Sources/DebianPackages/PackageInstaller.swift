import Glibc
import Linux
import OCI
public import Runtime

/// Puts locked packages into a root file system, inside a sandbox without network.
public struct PackageInstaller: Sendable {
    let runtime: any Runtime
    let userBase: UInt32?

    /// - Parameter userBase: first host id of the sandbox's user namespace; nil for none.
    public init(runtime: any Runtime, userBase: UInt32?) {
        self.runtime = runtime
        self.userBase = userBase
    }

    /// Makes an empty directory a Debian.
    ///
    /// - Parameters:
    ///   - root: its path; what is installed lies beside it meanwhile, so that must be on the file system of the packages.
    ///   - packages: in the order of installation; those dpkg needs are marked essential.
    ///   - file: where a package's file is.
    ///   - log: called with what is printed.
    public func bootstrap(
        root: String, packages: [LockedPackage], files file: @Sendable (LockedPackage) -> String,
        log: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        let essential = packages.filter(\.isEssential)
        try layOut(root)
        try await extract(essential.map(file), to: root, log: log)
        try await installEssential(root: root, packages: essential, files: file, log: log)
        try await install(root: root, packages: packages.filter { !$0.isEssential }, files: file, log: log)
    }

    /// What dpkg needs has been unpacked and is there for it to run; now it installs that as well.
    private func installEssential(
        root: String, packages: [LockedPackage], files file: @Sendable (LockedPackage) -> String,
        log: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        let staged = try stage(packages, for: root, file)
        defer { try? Files.removeTree(staged.folder) }
        let names = staged.names.map { "\(Self.inside)/\($0)" }.joined(separator: " ")
        try await run(
            "dpkg --force-depends --force-confdef --force-confold --force-unsafe-io --install \(names)",
            root: root, packages: staged.folder, log: log)
    }

    /// Adds packages to a Debian: with its apt, or where it has none with its dpkg.
    public func install(
        root: String, packages: [LockedPackage], files file: @Sendable (LockedPackage) -> String,
        log: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        guard !packages.isEmpty else { return }
        let staged = try stage(packages, for: root, file)
        defer { try? Files.removeTree(staged.folder) }
        let names = staged.names.map { "\(Self.inside)/\($0)" }.joined(separator: " ")
        guard try OwnedFD.open(root, O_RDONLY | O_DIRECTORY).contains("/usr/bin/apt-get") else {
            return try await run(
                Self.installWithoutApt(staged.names), root: root, packages: staged.folder, log: log)
        }
        let automatic = packages.filter(\.isAutomatic).map(\.name).joined(separator: " ")
        try await run(
            """
            apt-get -q -y -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null \
              -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Dpkg::Use-Pty=0 -o Acquire::Languages=none \
              -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io \
              --allow-downgrades --no-remove install \(names)
            \(automatic.isEmpty ? "" : "apt-mark -qq auto \(automatic)")
            """, root: root, packages: staged.folder, log: log)
    }

    /// The packages are in the order that apt would install them in. One that needs another to be configured
    /// before it is unpacked waits for that; others may complain meanwhile, and must have ended complaining at last.
    private static func installWithoutApt(_ names: [String]) -> String {
        """
        cd \(inside)
        change() { dpkg --force-confdef --force-confold --force-unsafe-io "$@"; }
        batch=
        for file in \(names.joined(separator: " ")); do
            if [ -n "$batch" ] && [ -n "$(dpkg-deb --field "$file" Pre-Depends)" ]; then
                change --unpack $batch
                batch=
                change --configure --pending || true
            fi
            batch="$batch $file"
        done
        [ -z "$batch" ] || change --unpack $batch
        change --configure --pending
        """
    }

    /// Where the packages are inside the sandbox.
    private static let inside = "/run/dish-packages"

    /// What has to be there before the first package: the merged /usr, and dpkg's empty database.
    private func layOut(_ root: String) throws {
        // The links debootstrap(8) makes for each architecture.
        #if arch(x86_64)
            let merged = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]
        #else
            let merged = ["bin", "sbin", "lib"]
        #endif
        for name in merged {
            // The root is empty yet: nothing in it leads anywhere.
            try Files.makeDirectories("\(root)/usr/\(name)")
            try retryingInterrupts("create symbolic link", "\(root)/\(name)") { symlink("usr/\(name)", "\(root)/\(name)") }
        }
        for name in ["info", "updates", "triggers", "alternatives", "parts"] {
            try Files.makeDirectories("\(root)/var/lib/dpkg/\(name)")
        }
        for name in ["status", "available"] { try Files.replace("\(root)/var/lib/dpkg/\(name)", with: [], durable: false) }
        chmod(root, 0o755)
    }

    /// Unpacks without dpkg; nothing of the packages runs. One after the other: a directory that several packages
    /// have keeps the time of the last.
    ///
    /// A link that one package brings leads the files of the next where it leads in the image, never out of it.
    private func extract(
        _ files: [String], to root: String, log: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        guard let program = Executable.find("dpkg-deb") else {
            throw PackageError("unpack the essential packages: dpkg-deb is not installed; install it: apt-get install dpkg")
        }
        var rules = LayerUnpacker.Rules()
        (rules.hasWhiteouts, rules.keepsDirectoryLinks) = (false, true)
        for file in files {
            let opened = try BlobFile(file)
            let package = try opened.descriptor.duplicate()
            let size = opened.size
            var reader = Compression.decompressor(program, Arguments().flag("fsys-tarfile").words("-"))
            // Each thread would have a block in memory.
            reader.environment["DPKG_DEB_THREADS_MAX"] = "1"
            do {
                let leftOut = try await reader.read(package.number) { [rules] archive in
                    let unpacker = try LayerUnpacker(root: root, rules: rules)
                    _ = try unpacker.unpack(archive.number, ArchiveLimits(stored: size, room: UInt64(Int64.max)))
                    return unpacker.leftOut
                }
                if !leftOut.isEmpty { log(Array("\(Files.name(of: file)): \(leftOut)\n".utf8)) }
            } catch let error as OCIError {
                throw PackageError("unpack '\(file)': \(error)")
            } catch let error as ConfinedReader.Failure {
                throw PackageError("unpack '\(file)': \(error)")
            }
        }
    }

    private struct Staged {
        let folder: String
        let names: [String]
    }

    /// A folder with just these packages under their usual names, which apt wants: hard links into the cache. It lies beside
    /// the root, where it goes with all else that a killed build leaves.
    private func stage(
        _ packages: [LockedPackage], for root: String, _ file: (LockedPackage) -> String
    ) throws -> Staged {
        let folder = "\(Files.parent(of: root))/packages"
        try Files.makeDirectories(folder, mode: 0o755)
        let names = try packages.map { package in
            let name = package.fileName
            try retryingInterrupts("link", name) { link(file(package), "\(folder)/\(name)") }
            return name
        }
        return Staged(folder: folder, names: names)
    }

    private func run(
        _ script: String, root: String, packages: String, log: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        // invoke-rc.d starts nothing while policy-rc.d says 101.
        let guarded = """
            printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
            chmod 755 /usr/sbin/policy-rc.d
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
            \(script)
            """
        var container = Container(root: root, name: "build", program: .command(["/bin/sh", "-e", "-c", guarded]))
        container.userBase = userBase
        container.ignoresSync = true
        container.binds = [.init(packages, at: Self.inside)]
        container.environment = [
            "DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NONINTERACTIVE_SEEN": "true", "LC_ALL": "C.UTF-8", "TZ": "UTC",
            "HOME": "/root", "SOURCE_DATE_EPOCH": "1700000000",
        ]
        var command = Command(try runtime.spawn(container))
        command.mergesErrors = true
        let tail = OutputTail()
        command.outputLimit = 0
        command.onOutput = {
            tail.add($0)
            log($0)
        }
        let result: Command.Result
        do {
            result = try await command.run()
        } catch let error as TimeLimitExceeded {
            throw PackageError("install packages: \(error)")
        }
        guard result.status.isSuccess else {
            let lines = tail.lines(40)
            throw PackageError("install packages: \(result.status)\n\(lines.map { "  | \($0)" }.joined(separator: "\n"))")
        }
    }
}
