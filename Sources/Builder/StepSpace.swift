import Btrfs
import Layers
import Spec

extension Pool {
    /// Limits what is written into a staging directory to nine tenths of what is free: what runs in it can't fill the pool.
    ///
    /// - Returns: the groups that its subvolumes must be made in.
    func limitSteps(of staged: StagingDirectory) throws -> [QuotaGroup] {
        try limitSpace(of: staged, to: max(64 << 20, filesystem().space().available / 10 * 9))
    }
}
