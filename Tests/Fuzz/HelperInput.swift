import Cgroups
import Glibc
import Linux

// Compiled together with the sources of TaskHelper (scripts/fuzz).

/// Whatever the bytes: what a helper is told, hears from its clients and from inside, and what others read of its records and log, is a value or
/// nothing; and a value is read back the same when it is written. The first byte says which it is.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard let first = bytes.first else { return 0 }
    let rest = bytes.dropFirst()
    switch first % 6 {
    case 0: message(Array(rest))
    case 1: notice(rest)
    case 2: running(String(decoding: rest, as: UTF8.self))
    case 3: exit(String(decoding: rest, as: UTF8.self))
    case 4: logEntry(rest)
    default: specification(Array(rest))
    }
    return 0
}

private func message(_ packet: [UInt8]) {
    guard let message = HelperMessage(packet) else { return }
    let written = message.encoded()
    guard let again = HelperMessage(written) else {
        // What it is made of may be longer than what was read: replaced bytes of text.
        guard written.count > HelperMessage.capacity else { fatalError("\(message) can't be read back") }
        return
    }
    // Ends of lines in an exit's message become blanks when it is first written.
    guard let third = HelperMessage(again.encoded()), third == again else { fatalError("\(message) became \(again)") }
    if case .exited = message { return }
    guard again == message else { fatalError("\(message) became \(again)") }
}

private func specification(_ text: [UInt8]) {
    guard let spec = HelperSpec(text: text) else { return }
    guard HelperSpec(text: spec.json.text) == spec else { fatalError("\(spec) can't be read back") }
    if spec.program.isEmpty || spec.id.isEmpty || !spec.runtimeDirectory.hasPrefix("/") { fatalError("\(spec) was taken") }
}

private func notice(_ datagram: ArraySlice<UInt8>) {
    if let leader = RuntimeNotice(datagram).leader, leader <= 1 { fatalError("process \(leader) is everybody's") }
}

private func running(_ text: String) {
    guard let record = RunningRecord(text) else { return }
    guard let again = RunningRecord(record.text), again == record else { fatalError("\(record) became \(record.text)") }
    for process in [record.helper, record.runtime] + (record.leader.map { [$0] } ?? []) where process.pid <= 0 {
        fatalError("\(process) is none that can be named")
    }
}

private func exit(_ text: String) {
    guard var record = ExitRecord(text) else { return }
    // Ends of lines of a message become blanks.
    record.message = record.message.map { $0.split(whereSeparator: \.isNewline).joined(separator: " ") }
    guard let again = ExitRecord(record.text), again == record else { fatalError("\(record) became \(record.text)") }
}

private func logEntry(_ line: ArraySlice<UInt8>) {
    guard let entry = ConsoleLogEntry(line) else { return }
    let words = "\(entry.time) \(entry.isErrors ? "stderr" : "stdout") \(entry.isPartial ? "P" : "F") "
    guard let again = ConsoleLogEntry((Array(words.utf8) + entry.text)[...]), again.time == entry.time,
        again.isErrors == entry.isErrors, again.isPartial == entry.isPartial, Array(again.text) == Array(entry.text)
    else { fatalError("\(entry) became another") }
}
