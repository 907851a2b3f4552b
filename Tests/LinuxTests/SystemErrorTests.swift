import Glibc
import Linux
import Testing

@Suite struct SystemErrorTests {
    @Test func anErrorSaysWhatWasDoneToWhatAndWhyItFailed() {
        #expect(SystemError("open", "/a", code: EACCES).description == "open '/a': Permission denied")
        #expect(SystemError("create socket", code: EMFILE).description == "create socket: Too many open files")
    }

    @Test func aCallThatIsInterruptedIsRepeated() throws {
        var calls = 0
        let result = try retryingInterrupts("try") { () -> Int in
            calls += 1
            errno = EINTR
            return calls < 3 ? -1 : 7
        }
        #expect(result == 7)
        #expect(calls == 3)
    }

    @Test func anotherErrorIsThrownWithItsNumber() {
        let error = #expect(throws: SystemError.self) {
            try retryingInterrupts("try", "it") { () -> CInt in
                errno = ENOSPC
                return -1
            }
        }
        #expect(error == SystemError("try", "it", code: ENOSPC))
    }

    @Test func programsAreFoundByName() throws {
        #expect(Executable.find("sh")?.hasSuffix("/sh") == true)
        #expect(Executable.find("no-such-program-here") == nil)
        #expect(try Files.exists(Executable.current()))
    }
}
