import CLinux
import Glibc
import Linux
import TaskAccess
import TaskHelper
import Testing

@Suite struct TaskEntryTests {
    /// Starts a process with these namespaces of its own, which is killed at the end.
    private func withProcess(_ namespaces: CInt, _ body: (ProcessIdentity) throws -> Void) throws {
        var spawn = Spawn("/bin/sleep", ["100"])
        spawn.unshare = namespaces
        spawn.deathSignal = SIGKILL
        let child = try spawn.start()
        defer {
            kill(child, SIGKILL)
            _ = try? ExitStatus.wait(for: child)
        }
        try body(try #require(ProcessIdentity(running: child)))
    }

    @Test(.enabled(if: geteuid() == 0), arguments: [0, DISH_CLONE_NEWNS, DISH_CLONE_NEWNS | DISH_CLONE_NEWNET])
    func whatSharesTheHostsFilesOrProcessesIsNotEntered(_ namespaces: CInt) throws {
        try withProcess(namespaces) { leader in
            let error = #expect(throws: TaskAccessError.self) {
                _ = try TaskEntry(into: leader, cgroups: [], confinement: .privileged, name: "it")
            }
            #expect(error?.code == .notApart)
        }
    }
}
