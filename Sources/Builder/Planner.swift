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
        var resolved: [Label] = []
        var archives: [String: DebianArchive] = [:]
        for target in targets {
            let chain = chain(below: target, in: targets)
            guard refresh || lock.packages(of: target, on: chain) == nil else { continue }
            let packages = try await resolve(target, chain, lock, &archives)
            lock.images[target.label.description] = LockFile.Entry(
                request: LockFile.request(of: target, on: chain), packages: packages)
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
