import Glibc
import Linux
import TaskHelper
import Testing

@Suite struct ProcessIdentityTests {
    @Test func aProcessIsItselfAndNotALaterOneWithItsNumber() throws {
        let own = try #require(ProcessIdentity(running: getpid()))
        #expect(own.isRunning)
        #expect(ProcessIdentity(own.description) == own)
        let earlier = try #require(ProcessIdentity("\(own.pid):\(own.start - 1)"))
        #expect(!earlier.isRunning)
        // It would be the end of this test.
        earlier.send(SIGKILL)
    }

    @Test func aNameWithParenthesesAndBlanksDoesNotConfuse() throws {
        let child = try Spawn("/bin/sh", ["-c", "printf 'a) 1 (b' > /proc/$$/comm; kill -STOP $$"]).start()
        var info = siginfo_t()
        waitid(P_PID, id_t(child), &info, WSTOPPED | WNOWAIT)
        let identity = try #require(ProcessIdentity(running: child))
        #expect(identity.start > 0)
        identity.send(SIGKILL)
        #expect(try ExitStatus.wait(for: child) == .signal(SIGKILL))
        #expect(!identity.isRunning)
    }

    @Test func whatHasEndedAndIsNotWaitedForIsNotRunning() throws {
        let child = try Spawn("/bin/true", []).start()
        let identity = try #require(ProcessIdentity(running: child))
        var info = siginfo_t()
        waitid(P_PID, id_t(child), &info, WEXITED | WNOWAIT)
        #expect(ProcessIdentity(running: child) == identity && !identity.isRunning)
        #expect(try ExitStatus.wait(for: child) == .code(0))
    }

    @Test func theBootHasAnID() throws {
        #expect(try ProcessIdentity.bootID().utf8.count == 36)
        #expect(ProcessIdentity(running: pid_t.max) == nil)
    }
}
