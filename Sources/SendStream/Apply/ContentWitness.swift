/// Learns what is in new files while they are written, so that nobody has to read them again.
///
/// Of a file it is told everything in order, from its beginning to its end, or nothing that counts: what was written in
/// another order, cloned or compressed is only in the file system.
public protocol ContentWitness: AnyObject {
    /// A new file, which is empty.
    func begin()
    /// What comes next in it.
    func add(_ bytes: UnsafeRawBufferPointer)
    /// So many zeros come next in it, of which the file has none on disk.
    func addZeros(_ count: UInt64)
    /// All of its bytes were told.
    func end(inode: UInt64, size: UInt64)
    /// What was told of a file holds no longer.
    func forget(inode: UInt64)
}
