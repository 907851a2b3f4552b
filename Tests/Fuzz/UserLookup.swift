import Glibc
import Linux

// Compiled together with the sources of TaskAccess (scripts/fuzz).

private let directory: String = {
    var template = Array("/dev/shm/dish-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil, mkdir("\(text(template))/etc", 0o755) == 0 else { fatalError("make a directory: \(errno)") }
    return text(template)
}()

private func text(_ bytes: [CChar]) -> String {
    String(decoding: bytes.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Whatever a task has in its passwd(5) and group(5), which a zero byte divides here: whoever is looked up is found, or there is an error
/// of the task's; and nobody gets an id that stands for none.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = UnsafeBufferPointer(start: start, count: count)
    let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    do {
        for (name, content) in zip(["passwd", "group"], parts) {
            let file = try OwnedFD.open("\(directory)/etc/\(name)", O_WRONLY | O_CREAT | O_TRUNC)
            try Files.write(content, to: file.number, name)
        }
        let root = try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY)
        for wanted in ["root", "web", "0", "1000", "web:web", "4294967295", ":", ""] {
            guard let user = try? TaskUser(wanted, in: root, of: "task") else { continue }
            guard user.user != .max, user.group != .max, !user.groups.contains(.max), user.home.hasPrefix("/") else {
                fatalError("\(wanted) is \(user)")
            }
        }
    } catch {
        fatalError("\(error)")
    }
    return 0
}
