import Glibc
import Linux

/// The archives of one release, through the host's apt with a state of its own.
///
/// The host's apt configuration counts (proxies, keys, time-outs); its hooks, its package state and its
/// caches don't.
public struct DebianArchive: Sendable {
    let sources: AptSources
    private let cache: String
    let directory: String

    /// - Parameter cache: a directory for indexes and packages; it is shared between processes.
    public init(sources: AptSources, cache: String) throws {
        self.sources = sources
        self.cache = cache
        // Archives of one release that differ get indexes of their own.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in sources.text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        directory = "\(cache)/apt-\(sources.suite)-\(String(hash, radix: 16))"
        for name in ["lists/partial", "archives/partial", "sources", "conf.d"] {
            try Files.makeDirectories("\(directory)/\(name)")
        }
        try writeConfiguration()
    }

    /// Fetches the package indexes, checked against the archives' signatures, unless those here are younger.
    public func update(maximumAge: Duration) async throws {
        let stamp = "\(directory)/updated"
        // apt doesn't wait for another apt that is fetching the same indexes.
        let lock = try await lock()
        try await updateAlone(maximumAge: maximumAge, stamp)
        _ = consume lock
    }

    private func updateAlone(maximumAge: Duration, _ stamp: String) async throws {
        var status = stat()
        if stat(stamp, &status) == 0, Int64(time(nil)) - Int64(status.st_mtim.tv_sec) < maximumAge.components.seconds { return }
        let result = try await apt("apt-get", Arguments("update", "-o", "APT::Update::Error-Mode=any"))
        guard result.status.isSuccess else {
            throw PackageError(
                "fetch the package indexes of \(sources.suite) with this host's apt configuration: \(reason(result))")
        }
        try Files.replace(stamp, with: [])
    }

    private func lock() async throws -> FileLock {
        while true {
            if let lock = try FileLock.acquire("\(directory)/update.lock") { return lock }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// What every Debian has before it has anything that was asked for.
    public enum Bootstrap: Sendable {
        /// The essential packages and apt.
        case apt
        /// The essential packages.
        case minimal
    }

    /// The packages that must be added to have what is asked for, in the order apt installs them.
    ///
    /// - Parameters:
    ///   - names: `name` or `name=version`.
    ///   - installed: what is there already.
    ///   - bootstrap: what every Debian has, when nothing is there; else nil. Recommended packages never come along.
    /// - Throws: `UnknownPackage`, `PackageError`.
    public func resolve(
        _ names: [String], onto installed: [LockedPackage], bootstrap: Bootstrap?
    ) async throws -> [LockedPackage] {
        guard bootstrap != nil || !names.isEmpty else { return [] }
        let state = "\(directory)/status.\(getpid()).\(UInt32.random(in: 0 ... .max))"
        defer { unlink(state) }
        try Files.replace(state, with: try await status(of: installed).utf8, durable: false)
        let core: [String] = bootstrap == nil ? [] : ["?essential"]
        let selections = try await simulate(core + (bootstrap == .apt ? ["apt"] : []) + names, state, bootstrap)
        let essentials = bootstrap == nil ? [] : try await essentials(among: selections, core, state, bootstrap)
        let details = try await show(selections.map { "\($0.name)=\($0.version)" })
        let requested = Set(names.map { String($0.prefix { $0 != "=" }) })
        return try selections.map { selection in
            guard let fields = details["\(selection.name)=\(selection.version)"], let path = fields["Filename"],
                let size = fields["Size"].flatMap({ Int($0) }), size > 0, let sha256 = fields["SHA256"],
                let architecture = fields["Architecture"], Self.isArchivePath(path), Self.isDigest(sha256)
            else { throw PackageError("the package index says nothing usable of \(selection.name) \(selection.version)") }
            return LockedPackage(
                name: selection.name, version: selection.version, architecture: architecture, path: path, size: size,
                sha256: sha256, isAutomatic: !requested.contains(selection.name), isEssential: essentials.contains(selection.name)
            )
        }
    }

    /// Which of the selected packages are essential, or needed by those that are.
    ///
    /// Alone they might be content with another alternative of a dependency than the one that is asked for.
    private func essentials(
        among selections: [Selection], _ core: [String], _ state: String, _ bootstrap: Bootstrap?
    ) async throws -> Set<String> {
        let selected = Set(selections.map(\.name))
        var excluded: Set<String> = []
        while true {
            // apt leaves out what has a minus at its end.
            let names = Set(try await simulate(core + excluded.sorted().map { "\($0)-" }, state, bootstrap).map(\.name))
            guard !names.isSubset(of: selected) else { return names }
            excluded.formUnion(names.subtracting(selected))
        }
    }

    /// Brings packages into the cache and returns their files, in the same order.
    ///
    /// - Parameter progress: called with the bytes here and the bytes in all.
    /// - Throws: `PackageError` when no archive has one any more, or has another content.
    public func fetch(
        _ packages: [LockedPackage], progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void
    ) async throws -> [String] {
        try Files.makeDirectories("\(cache)/packages", mode: 0o755)
        func file(_ package: LockedPackage) -> String { package.cachePath(in: cache) }
        let missing = packages.filter { !$0.isCached(in: cache) }
        let total = missing.reduce(0) { $0 + $1.size }
        var done = 0
        var rest = missing[...]
        while !rest.isEmpty {
            try Task.checkCancellation()
            let batch = Array(rest.prefix(24))
            rest = rest.dropFirst(batch.count)
            try await fetch(batch, to: file)
            done += batch.reduce(0) { $0 + $1.size }
            progress(done, total)
        }
        return packages.map(file)
    }

    /// apt's own transport verifies the digests; a file gets its name only after that.
    private func fetch(_ packages: [LockedPackage], to file: (LockedPackage) -> String) async throws {
        var left = packages
        var failure: Command.Result?
        let bases = sources.archives.map { $0.uri.hasSuffix("/") ? $0.uri : $0.uri + "/" }
        // Images that are built at the same time, here or in another process, may fetch the same package.
        let fetcher = "\(getpid()).\(UInt32.random(in: 0 ... .max))"
        for base in bases where !left.isEmpty {
            let unfinished = left.map { "\(file($0)).\(fetcher).new" }
            defer { for path in unfinished { unlink(path) } }
            let result = try await helper(
                zip(left, unfinished).flatMap { [base + $0.path, $1, "SHA256:\($0.sha256)"] })
            if !result.status.isSuccess { failure = result }
            left = try zip(left, unfinished).filter { package, path in
                var status = stat()
                guard stat(path, &status) == 0, Int(status.st_size) == package.size else { return true }
                // apt-helper removes what doesn't have the digest; one failure fails the whole call.
                try retryingInterrupts("rename '\(path)' to", file(package)) { rename(path, file(package)) }
                return false
            }.map(\.0)
        }
        guard let first = left.first else { return }
        throw PackageError(
            "fetch \(first.name) \(first.version) ('\(first.path)'): no archive of this host's apt configuration has it any more"
                + (failure.map { " (\(reason($0)))" } ?? "") + "; resolve the packages anew: dish image plan LABEL")
    }
}
