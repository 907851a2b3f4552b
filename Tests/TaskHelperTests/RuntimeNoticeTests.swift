import TaskHelper
import Testing

struct RuntimeNoticeTests {
    private func notice(_ text: String) -> RuntimeNotice { RuntimeNotice(Array(text.utf8)[...]) }

    @Test func theFirstProcessAndReadinessAreRead() {
        let both = notice("STATUS=up\nX_NSPAWN_LEADER_PID=812\nREADY=1\n")
        #expect(both.leader == 812 && both.isReady)
        #expect(notice("READY=0\nREADY=1x").isReady == false)
    }

    @Test(arguments: ["1", "0", "-1", "-812", "99999999999999999999", "", "8 12", "0x10"])
    func noProcessOfEverybodysIsBelieved(_ number: String) {
        #expect(notice("X_NSPAWN_LEADER_PID=\(number)").leader == nil)
    }
}
