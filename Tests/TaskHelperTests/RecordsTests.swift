import Linux
import TaskHelper
import Testing

@Suite struct RecordsTests {
    @Test func aRunningRecordIsReadAsItWasWritten() {
        for _ in 0..<1000 {
            let record = RandomRecords.running()
            #expect(RunningRecord(record.text) == record, "\(record.text.debugDescription)")
        }
    }

    @Test func anExitRecordIsReadAsItWasWritten() {
        for _ in 0..<1000 {
            let record = RandomRecords.exit()
            #expect(ExitRecord(record.text) == record, "\(record.text.debugDescription)")
        }
    }

    @Test func theRecordsAreLinesThatPeopleCanRead() throws {
        let exit = ExitRecord(status: .signal(9), outOfMemory: true, at: 1_700_000_000, message: "one\ntwo\r\nthree")
        #expect(exit.text == "generation=1\nsignal=9\noom=1\nat=1700000000\nmessage=one two three\n")
        let identity = try #require(ProcessIdentity("12:345"))
        let running = RunningRecord(
            phase: .running, boot: "b", helper: identity, runtime: identity, leader: identity, cgroups: ["/a", "/b"])
        #expect(running.text == "generation=1\nphase=running\nboot=b\nhelper=12:345\nruntime=12:345\nleader=12:345\ncgroup=/a\ncgroup=/b\n")
    }

    /// A record is replaced whole, but a disk may lose its end.
    @Test func aRecordWithoutItsEndIsNoneOrLacksOnlyWhatIsOptional() {
        let whole = RandomRecords.exit()
        for count in 0..<whole.text.utf8.count {
            let cut = String(decoding: whole.text.utf8.prefix(count), as: UTF8.self)
            if let record = ExitRecord(cut) { #expect(record.status == whole.status) }
        }
        #expect(ExitRecord("") == nil)
        #expect(ExitRecord("oom=0\nat=1\n") == nil)
        #expect(RunningRecord("") == nil)
        #expect(RunningRecord("generation=1\nphase=running\nboot=b\nhelper=1:2\nruntime=x\n") == nil)
    }

    @Test(arguments: ["", "1", "1:", ":1", "1:2:3", "0:1", "-1:1", "a:b", "99999999999:1"])
    func whatIsNoProcessIdentityIsRefused(_ text: String) {
        #expect(ProcessIdentity(text) == nil)
    }
}
