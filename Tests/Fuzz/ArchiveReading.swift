import CLinux
import Glibc
import Linux

// Compiled together with the sources of OCI (scripts/fuzz).

private let directory: String = {
    var template = Array("/dev/shm/dish-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("make a directory: \(errno)") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}()

/// Whatever the bytes: an archive of `docker save` gives files under numbers or an `OCIError`, whatever names are in it; and each name that
/// is looked up gives one of those files, or nothing.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let file = OwnedFD(adopting: dish_memory_file("fuzz"))
    do {
        try Files.write(bytes, to: file.number, "fuzz")
        lseek(file.number, 0, SEEK_SET)
        let members = try ArchiveMembers.extract(file.number, into: directory, limit: 1 << 20)
        for name in ["manifest.json", "repositories", "a/layer.tar", "../a", "/", "..", ""] {
            guard let found = members.file(name) else { continue }
            guard found.path.hasPrefix(directory + "/"), Int(found.path.dropFirst(directory.utf8.count + 1)) != nil else {
                fatalError("'\(name)' is '\(found.path)'")
            }
            if found.size > 1 << 20 { fatalError("'\(name)' has \(found.size) bytes") }
        }
    } catch {
        guard error is OCIError else { fatalError("\(error)") }
    }
    do {
        for name in try Files.list(directory) { unlink("\(directory)/\(name)") }
    } catch {
        fatalError("\(error)")
    }
    return 0
}
