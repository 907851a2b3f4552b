import DebianPackages
public import Layers
import Linux
public import Manifest

/// Resolves what images ask for to exact packages, from the archives of the host's apt configuration.
public struct Planner: Sendable {
    let workspace: Workspace
    let pool: Pool
    let report: @Sendable (BuildEvent) -> Void

    public init(workspace: Workspace, pool: Pool, report: @escaping @Sendable (BuildEvent) -> Void) {
        self.workspace = workspace
        self.pool = pool
        self.report = report
    }

    /// Makes the workspace's lock file cover images and those below them.
    ///
    /// - Parameter refresh: whether what is locked already is resolved anew, to the newest versions.
    /// - Returns: the labels that were resolved.
    public func plan(_ targets: [ImageTarget], refresh: Bool) async throws -> [Label] {
        var lock = try LockFile.read(workspace)
        let isCovered = targets.allSatisfy { lock.packages(of: $0, on: chain(below: $0, in: targets)) != nil }
        if refresh || !isCovered { try await check(targets) }
        var resolved: [Label] = []
        var archives: [String: DebianArchive] = [:]
        for target in targets {
            let chain = chain(below: target, in: targets)
            guard refresh || lock.packages(of: target, on: chain) == nil else { continue }
            let packages = try await resolve(target, chain, lock, &archives)
            let below = chain.flatMap { lock.images[$0.label.description]?.packages ?? [] }
            let python = try await resolvePython(target, below + packages)
            lock.images[target.label.description] = LockFile.Entry(
                request: LockFile.request(of: target, on: chain), packages: packages, python: python.isEmpty ? nil : python)
            resolved.append(target.label)
            report(.planned(target.label, packages: packages.count))
        }
        if !resolved.isEmpty { try lock.write(workspace) }
        return resolved
    }

    private func resolve(
        _ target: ImageTarget, _ chain: [ImageTarget], _ lock: LockFile, _ archives: inout [String: DebianArchive]
    ) async throws -> [LockedPackage] {
        guard let base = Self.debian(chain + [target]) else { return [] }
        let isBase = target.debian != nil
        if !isBase, target.packages.isEmpty { return [] }
        let key = "\(base.suite) \(base.components)"
        if archives[key] == nil {
            let archive = try Self.archive(base, pool)
            report(.updatingIndexes(base.suite))
            try await archive.update(maximumAge: .seconds(900))
            archives[key] = archive
        }
        var installed: [LockedPackage] = []
        for image in chain {
            installed += lock.images[image.label.description]?.packages ?? []
            installed.removeAll { image.removedPackages.contains($0.name) }
        }
        do {
            return try await archives[key]!.resolve(
                target.packages.map(\.value.selector), onto: installed, bootstrap: isBase ? base.bootstrap : nil)
        } catch let error as UnknownPackage {
            let place = target.packages.first { $0.value.selector == error.name }?.place ?? target.place
            throw ManifestError(place, error.description)
        } catch let error as PackageError {
            throw ManifestError(target.packages.first?.place ?? target.place, error.description)
        }
    }

    private func resolvePython(_ target: ImageTarget, _ packages: [LockedPackage]) async throws -> [LockedEnvironment] {
        var environments: [LockedEnvironment] = []
        for environment in target.python {
            func version(_ name: String) -> [Substring]? {
                let version = packages.last { $0.name == name }?.version.split(separator: ":").last
                return version?.split { $0 == "." || $0 == "-" }
            }
            guard let python = version("python3"), python.count >= 2, let libc = version("libc6"), libc.count >= 2,
                let glibc = Int(libc[1])
            else {
                throw ManifestError(
                    environment.place,
                    "\(target.label) has no python3; add it to 'packages' of the image or of one that it stands on")
            }
            report(.resolvingPython(target.label))
            do {
                environments.append(
                    try await WheelStore(cache: pool.cache).resolve(
                        environment.value, for: .init(python: "\(python[0]).\(python[1])", glibc: glibc)))
            } catch let error as BuildError where error.code == .python {
                throw ManifestError(environment.place, error.description)
            }
        }
        return environments
    }

    /// Reports what is missing before anything is downloaded.
    private func check(_ targets: [ImageTarget]) async throws {
        try await blocking {
            try TargetCheck.check(targets)
            let digests = InputDigests(of: workspace, in: pool)
            defer { try? digests.save() }
            for target in targets { _ = try BuildInputs(target, in: workspace, remembered: digests, readsContents: false) }
        }
    }

    /// The archive of a base, with its indexes and packages in the pool's cache.
    static func archive(_ base: DebianBase, _ pool: Pool) throws -> DebianArchive {
        let sources = try AptSources.host(suite: base.suite, components: base.components)
        return try DebianArchive(sources: sources, cache: pool.cache)
    }

    /// The Debian base that a stack stands on.
    static func debian(_ stack: [ImageTarget]) -> DebianBase? {
        stack.compactMap(\.debian).first
    }
}

extension DebianBase {
    fileprivate var bootstrap: DebianArchive.Bootstrap {
        switch variant {
        case .apt: .apt
        case .minimal: .minimal
        }
    }
}

/// The targets below one, the base first, from a list that holds them.
func chain(below target: ImageTarget, in targets: [ImageTarget]) -> [ImageTarget] {
    var chain: [ImageTarget] = []
    var current = target
    while let label = current.parent, let parent = targets.first(where: { $0.label == label }) {
        chain.insert(parent, at: 0)
        current = parent
    }
    return chain
}
