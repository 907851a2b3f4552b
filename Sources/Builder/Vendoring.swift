import DebianPackages
public import Layers
import Linux
public import Manifest

/// Keeping packages in a folder, and building from it.
public struct Vendoring: Sendable {
    let workspace: Workspace
    let pool: Pool
    private let folder: VendorFolder

    /// - Parameter folder: its path.
    public init(_ folder: String, workspace: Workspace, pool: Pool) {
        self.workspace = workspace
        self.pool = pool
        self.folder = VendorFolder(Files.absolute(folder))
    }

    /// Puts the packages of images that the lock file covers into the folder.
    public func keep(_ targets: [ImageTarget], report: @escaping @Sendable (BuildEvent) -> Void) async throws {
        let lock = try LockFile.read(workspace)
        for target in targets {
            let chain = chain(below: target, in: targets)
            let store = WheelStore(cache: pool.cache)
            for environment in lock.environments(of: target, on: chain) ?? [] {
                try await store.fetch(environment)
                try await blocking { [folder] in try store.keep(environment.wheels, in: folder.path) }
            }
            guard let packages = lock.packages(of: target, on: chain), !packages.isEmpty,
                let base = Planner.debian(chain + [target])
            else { continue }
            let files = try await Planner.archive(base, pool).fetch(packages) { done, total in
                report(.fetching(target.label, done: done, of: total))
            }
            try await blocking { [folder] in try folder.keep(packages, files: files) }
        }
    }

    /// Brings the locked packages of images from the folder into the pool's cache, so that building needs no archive.
    public func supply(_ targets: [ImageTarget]) async throws {
        let lock = try LockFile.read(workspace)
        let packages = targets.flatMap { lock.packages(of: $0, on: chain(below: $0, in: targets)) ?? [] }
        let wheels = targets.flatMap { lock.environments(of: $0, on: chain(below: $0, in: targets)) ?? [] }.flatMap(\.wheels)
        try await blocking { [folder, pool] in
            try WheelStore(cache: pool.cache).supply(wheels, from: folder.path)
            try folder.supply(packages, to: pool.cache) { hexadecimal(ContentHash.bytes($0)) }
        }
    }
}
