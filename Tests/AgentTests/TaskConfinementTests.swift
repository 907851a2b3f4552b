import AgentAPI
import Runtime
import Spec
import Testing

@testable import Agent

/// What a task may ask of the kernel, and what it can't be given.
@Suite struct TaskConfinementTests {
    private func request(_ change: (inout TaskRequest) -> Void = { _ in }) -> TaskRequest {
        var request = TaskRequest(image: "i")
        request.command = ["/bin/true"]
        change(&request)
        return request
    }

    private func made(_ request: TaskRequest, hasAccount: Bool = false) throws -> TaskConfinement {
        try TaskConfinement(request, hasAccount: hasAccount)
    }

    private func fault(_ request: TaskRequest) -> AgentError? {
        #expect(throws: AgentError.self) { try made(request) }
    }

    @Test func aCommandHasLessThanABootedSystem() throws {
        let command = try made(request())
        #expect(command.capabilities.contains("SETUID") && !command.capabilities.contains("SYS_ADMIN"))
        #expect(command.capabilities.isSubset(of: Nspawn.capabilities))
        #expect(command.refusedCalls.contains("mount") && command.refusedCalls.contains("unshare") && !command.gainsNothing)
        for request in [request { $0.command = nil }, request { $0.security = .system }] {
            let system = try made(request)
            #expect(system.capabilities.contains("SYS_ADMIN") && system.refusedCalls.isEmpty && !system.gainsNothing)
        }
    }

    @Test func aConfinedCommandHasNoneButToBecomeItsUser() throws {
        let confined = try made(request { $0.security = .confined })
        #expect(confined.capabilities.isEmpty && confined.gainsNothing && confined.refusedCalls.contains("chroot"))
        #expect(try made(request { $0.security = .confined }, hasAccount: true).capabilities == ["SETUID", "SETGID"])
        let booted = fault(request { ($0.security, $0.command) = (.confined, nil) })
        #expect(booted?.code == .invalid && booted?.field == "security")
    }

    @Test func exceptionsAreMade() throws {
        let one = try made(
            request { $0.capabilities = TaskCapabilities(add: ["cap_sys_ptrace"], drop: ["Chown", "CAP_FOWNER"]) })
        #expect(one.capabilities.contains("SYS_PTRACE") && one.capabilities.isDisjoint(with: ["CHOWN", "FOWNER"]))
        #expect(try made(request { $0.capabilities = TaskCapabilities(add: ["KILL"], drop: ["all"]) }).capabilities == ["KILL"])
        #expect(try made(request { $0.capabilities.add = ["SYS_ADMIN"] }).refusedCalls.isEmpty)
        #expect(
            try made(request { ($0.network, $0.capabilities.add) = (.none, ["NET_ADMIN"]) }).capabilities.contains("NET_ADMIN"))
        #expect(
            try made(
                request { ($0.network, $0.userNamespace, $0.capabilities.add) = (.host, false, ["NET_RAW"]) }
            ).capabilities.contains("NET_RAW"))
    }

    @Test func whatReachesTheHostOrDoesNothingIsRefusedWithTheReason() {
        for (name, network, why) in [
            ("SYS_MODULE", TaskRequest.Network.private, "loads modules"), ("BPF", .private, "host's kernel"),
            ("SYS_TIME", .host, "clock"), ("NET_ADMIN", .private, "only with the network none"),
            ("NET_RAW", .private, "would do nothing"), ("NET_BIND_SERVICE", .private, "without it"),
            ("SYS_MAGIC", .private, "there is no capability"), ("all", .private, "there is no capability"),
        ] {
            let fault = fault(request { ($0.network, $0.capabilities.add) = (network, ["KILL", name]) })
            #expect(fault?.code == .invalid && fault?.field == "capabilities.add[1]", "\(name)")
            #expect(
                fault?.message.hasPrefix("capabilities.add[1]: ") == true && fault?.message.contains(why) == true, "\(fault!)")
        }
        #expect(fault(request { $0.capabilities = .init(add: ["KILL"], drop: ["KILL"]) })?.field == "capabilities.add[0]")
        #expect(fault(request { $0.capabilities.drop = ["X"] })?.field == "capabilities.drop[0]")
        #expect(fault(request { ($0.userNamespace, $0.capabilities.add) = (false, ["SYS_MODULE"]) }) != nil)
    }
}
