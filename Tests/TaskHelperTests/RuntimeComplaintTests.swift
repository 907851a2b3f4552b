import TaskHelper
import Testing

@Suite struct RuntimeComplaintTests {
    @Test func theLastLinesAreTheReason() {
        var complaint = RuntimeComplaint()
        #expect(complaint.text == nil)
        complaint.add(Array("\n \n".utf8))
        #expect(complaint.text == nil)
        complaint.add(Array("one\ntwo\r\n\u{1b}[31mthree\u{7}\n\nfo".utf8))
        complaint.add(Array("ur\n".utf8))
        #expect(complaint.text == "two; [31mthree; four")
    }

    @Test func itIsBounded() {
        var complaint = RuntimeComplaint()
        for _ in 0..<100 { complaint.add([UInt8](repeating: 0x61, count: 5000)) }
        #expect(complaint.text?.utf8.count == 2048)
    }
}
