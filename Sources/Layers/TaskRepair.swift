import Btrfs
import Glibc
import Linux

/// What power cuts and failing disks leave of tasks in a pool.
extension Pool {
    /// Writes a task's record anew if it can't be read; what was there is kept beside it.
    public func repairRecord(of task: TaskRecord) throws {
        let path = "\(directory(ofTask: task.id))/task.json"
        guard Files.exists(directory(ofTask: task.id)), (try? StateFile.read(TaskRecord.self, path)) == nil else { return }
        // A power cut may leave it empty, which tells nobody anything.
        if (try? Files.read(path))?.isEmpty == false { rename(path, "\(path).damaged") }
        try whileLayersStay { try StateFile.write(task, path) }
    }

    /// Removes what is left of a task of which not a word has reached the disk.
    ///
    /// - Returns: false when there are words: then it stays.
    public func removeCutOff(task id: String) throws -> Bool {
        let directory = directory(ofTask: id)
        for name in ["task.json", "intent.json"] {
            var status = stat()
            if lstat("\(directory)/\(name)", &status) == 0, status.st_size > 0 { return false }
        }
        guard Files.exists(directory) else { return true }
        for name in ["rootfs", "logs"] { try Subvolume.deleteRecursively("\(directory)/\(name)") }
        try Files.removeTree(directory)
        return true
    }
}
