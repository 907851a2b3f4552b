import CLinux
import Cgroups
import Glibc
import Linux
import TaskHelper

/// The helper's loop: signals, clients, the runtime's notices and output, and at the end the record.
struct Supervisor: ~Copyable {
    private var spec: HelperSpec
    private let boot: String
    private let cgroup: TaskCgroup
    private let signals: OwnedFD
    private let listener: OwnedFD
    private let notices: OwnedFD
    /// Nil until the agent says that everything the container needs is there.
    private var program: Program?
    /// `cgroup.procs` files for processes that join the task.
    private var entrances: [String] = []
    /// In the pool, so it is there no sooner than the container's root.
    private var log: ConsoleLog?
    private var clients: [Client] = []
    private var phase = RunningRecord.Phase.starting
    private var leader: ProcessIdentity?
    /// Milliseconds of the monotonic clock at which what still runs is killed.
    private var killAt: Int64?
    /// Whether that moment has come: from then on nobody is waited for.
    private var isKilling = false
    /// Whether init is to be told to power off as soon as it listens.
    private var awaitsInit = false
    /// Until when the agent may say so.
    private let startsUntil = milliseconds() + 60_000
    /// Input that the program hasn't taken yet, or that came before it was there.
    private var input = InputQueue()
    /// Since when a client that takes no output meanwhile can't send its input; nil while none waits.
    private var isStuckSince: Int64?
    /// Until when output waits for the first client.
    private var waitsUntil: Int64?
    /// Until when output is read after the end.
    private var drainsUntil: Int64 = 0
    private var status: ExitStatus?
    private var failure: String?
    /// The runtime's words before there is a container.
    private var complaint = RuntimeComplaint()
    private var isAbandoned = false

    init(_ spec: HelperSpec) throws {
        // Everything that can fail first: a value without copies is made at once or not at all.
        let boot = try ProcessIdentity.bootID()
        let signals = try Self.watchSignals()
        let listener = try PacketSocket.listen(spec.socket)
        let notices = try PacketSocket.datagrams("\(spec.runtimeDirectory)/notify.sock")
        guard dish_ask_for_senders(notices.number) == 0 else { throw SystemError("ask for senders of notices") }
        let cgroup = try TaskCgroup.create(id: spec.id, boots: spec.boots, on: .current())
        self.spec = spec
        self.boot = boot
        self.cgroup = cgroup
        self.signals = signals
        self.listener = listener
        self.notices = notices
    }

    private var notifyPath: String { "\(spec.runtimeDirectory)/notify.sock" }

    private mutating func start() {
        guard program == nil, status == nil else { return }
        log = ConsoleLog(path: spec.log, size: spec.logSize, files: spec.logFiles)
        waitsUntil = spec.waitsForClient && !clients.contains(where: \.isAttached) ? milliseconds() + 10_000 : nil
        do {
            try cgroup.apply(spec.limits)
            let limitsDevices = cgroup.limitDevices()
            if spec.requiresDevicePolicy, !limitsDevices {
                return giveUp("this host can't limit its devices (BPF in cgroup v2), which a task without a user namespace needs")
            }
            // Whoever enters the task later is held there; a task that nobody could enter so isn't started.
            entrances = try cgroup.execProcs()
            try PrivateMounts.make(spec)
            program = try Program(spec, cgroups: cgroup.procs, notify: notifyPath)
            announce()
        } catch {
            giveUp("\(error)")
        }
    }

    /// Nothing runs; what is left to do is to say so.
    private mutating func giveUp(_ reason: String) {
        status = .code(127)
        failure = reason
    }

    /// SIGRTMIN+3, by which systemd(1) halts.
    private static let powerOffSignal: CInt = __libc_current_sigrtmin() + 3

    private static func watchSignals() throws -> OwnedFD {
        let number = dish_signalfd()
        guard number >= 0 else { throw SystemError("watch signals") }
        return OwnedFD(adopting: number)
    }

    mutating func run() {
        while status == nil || program?.hasOutput == true && milliseconds() < drainsUntil {
            if isHoldingOutput { drainsUntil = milliseconds() + 2000 }
            let ready = wait()
            // Read the runtime's last words before its end.
            if ready.notice { readNotice() }
            if ready.signal { readSignals() }
            if ready.connection { accept() }
            serveClients(ready)
            if input.hasWork, program != nil { input.pass(to: &program!) }
            for stream in ready.streams { pass(stream) }
            if awaitsInit { powerOff() }
            loosen()
            if program == nil, status == nil, milliseconds() >= startsUntil { giveUp("the agent did not start it") }
            if let deadline = killAt, milliseconds() >= deadline {
                killAt = milliseconds() + 1000
                isKilling = true
                cgroup.kill()
                program?.signal(SIGKILL)
            }
        }
        finish()
    }

    // MARK: Waiting

    private struct Ready {
        var signal = false
        var notice = false
        var connection = false
        var readable: [Int] = []
        var writable: [Int] = []
        var streams: [Program.Stream] = []
    }

    private mutating func wait() -> Ready {
        let (reading, writing) = (Int16(POLLIN), Int16(POLLOUT))
        let feeding = input.hasWork ? program?.inputDescriptor ?? -1 : -1
        var polled = [
            pollfd(fd: signals.number, events: reading, revents: 0), pollfd(fd: notices.number, events: reading, revents: 0),
            pollfd(fd: listener.number, events: reading, revents: 0), pollfd(fd: feeding, events: writing, revents: 0),
        ]
        let others = polled.count
        let streams = isHoldingOutput ? [] : program?.openStreams ?? []
        polled += streams.map { pollfd(fd: program?.descriptor(of: $0) ?? -1, events: reading, revents: 0) }
        polled += clients.map { client in
            let events = (isWaiting(client) ? 0 : reading) | (client.hasQueue ? writing : 0)
            // That it hangs up would be said again and again.
            return pollfd(fd: events == 0 ? -1 : client.socket, events: events, revents: 0)
        }
        if let until = waitsUntil, milliseconds() >= until { waitsUntil = nil }
        let deadlines = [
            killAt, waitsUntil, status == nil ? nil : drainsUntil, program == nil ? startsUntil : nil,
            awaitsInit ? milliseconds() + 50 : nil, isStuckSince.map { $0 + 1000 },
            feeding >= 0 && program?.hasTerminal == true ? milliseconds() + 100 : nil,
        ].compactMap { $0 }
        let timeout = deadlines.min().map { CInt(clamping: max(0, $0 - milliseconds())) } ?? -1
        guard poll(&polled, nfds_t(polled.count), timeout) > 0 else { return Ready() }
        var ready = Ready()
        ready.signal = polled[0].revents != 0
        ready.notice = polled[1].revents != 0
        ready.connection = polled[2].revents != 0
        ready.streams = streams.enumerated().filter { polled[others + $0.offset].revents != 0 }.map(\.element)
        for index in clients.indices {
            let events = polled[others + streams.count + index].revents
            let isRead = polled[others + streams.count + index].events & reading != 0
            if isRead, events & Int16(POLLIN | POLLHUP | POLLERR) != 0 { ready.readable.append(index) }
            if events & Int16(POLLOUT | POLLHUP | POLLERR) != 0 { ready.writable.append(index) }
        }
        return ready
    }

    /// Whether a client must wait with its input: there is no room for more.
    private func isWaiting(_ client: Client) -> Bool { client.feeds && input.isFull }

    /// A client that takes no output while its input waits would wait for the program, and the program for it: after a
    /// second such input is dropped.
    private mutating func loosen() {
        let isStuck = clients.contains { isWaiting($0) && $0.isFarBehind && !$0.isPatient }
        guard isStuck else { return isStuckSince = nil }
        guard let since = isStuckSince else { return isStuckSince = milliseconds() }
        guard milliseconds() >= since + 1000 else { return }
        input.drop()
        isStuckSince = nil
    }

    /// Output stays in its pipe until the first client is there, and while one is too far behind.
    private var isHoldingOutput: Bool {
        if isKilling { return false }
        if clients.contains(where: \.isFarBehind) { return true }
        guard let until = waitsUntil else { return false }
        return !clients.contains(where: \.isAttached) && milliseconds() < until
    }

    // MARK: Events

    private mutating func readSignals() {
        var info = [UInt8](repeating: 0, count: 128)
        while read(signals.number, &info, info.count) == info.count {
            // struct signalfd_siginfo begins with the signal's number.
            if CInt(info[0]) == SIGTERM { stop(seconds: 90) }
        }
        if let ended = program?.reap() {
            status = ended
            // What it left behind would keep its output open.
            cgroup.kill()
            drainsUntil = milliseconds() + 2000
        }
    }

    /// What the runtime tells by sd_notify(3): the container's first process, and that its init is ready. Nobody else is
    /// believed: signals go to that process, and who enters the task enters its namespaces.
    private mutating func readNotice() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        var sender: CInt = 0
        let count = dish_receive_from(notices.number, &buffer, UInt(buffer.count), &sender)
        guard count > 0, program?.isRuntime(sender) == true else { return }
        let notice = RuntimeNotice(buffer[..<count])
        if let pid = notice.leader {
            leader = ProcessIdentity(running: pid)
            if !spec.boots, phase == .starting { phase = .running }
            announce()
        }
        if notice.isReady, spec.boots, phase == .starting {
            phase = .running
            announce()
        }
        // From here it mostly waits, and there is one for each task.
        if phase == .running { dish_unmap_code() }
    }

    private mutating func accept() {
        let socket = dish_accept(listener.number)
        if socket >= 0 { clients.append(Client(socket: socket)) }
    }

    private mutating func serveClients(_ ready: Ready) {
        for index in ready.writable { clients[index].flush() }
        for index in ready.readable {
            // Some at a time: others have their turn, however much one sends.
            for _ in 0..<32 where !isWaiting(clients[index]) {
                guard let message = clients[index].receive() else { break }
                handle(message, from: index)
            }
        }
        // Who watches before the start is the agent that prepares the task.
        if program == nil, status == nil, clients.contains(where: { $0.isGone && $0.isWatching }) {
            isAbandoned = true
            giveUp("the agent ended before it was started")
        }
        for client in clients where client.isGone { close(client.socket) }
        clients.removeAll(where: \.isGone)
    }

    private mutating func handle(_ message: HelperMessage, from index: Int) {
        switch message {
        case .start: start()
        case .watch:
            clients[index].isWatching = true
            if let record { clients[index].send(.state(record)) }
        case .attach:
            clients[index].isAttached = true
            waitsUntil = nil
        case .input(let bytes):
            clients[index].feeds = true
            // Where nobody can ever read it, it is dropped.
            if program.map({ $0.inputDescriptor >= 0 }) ?? (status == nil) { input.append(bytes) }
        case .windowSize(let rows, let columns): program?.resize(rows: rows, columns: columns)
        case .signal(0): clients[index].isPatient = true
        case .signal(let number): signalPayload(CInt(number))
        case .stop(let seconds): stop(seconds: seconds)
        case .limits(let limits): clients[index].send(.limitsSet(refusal: set(limits)))
        case .state, .output, .errors, .exited, .limitsSet: clients[index].isGone = true
        }
    }

    private mutating func pass(_ stream: Program.Stream) {
        guard let bytes = program?.read(stream), !bytes.isEmpty else { return }
        // Until there is a container, it is the runtime that speaks.
        if leader == nil { complaint.add(bytes) }
        log?.write(bytes, stream == .errors)
        for index in clients.indices where clients[index].isAttached {
            clients[index].send(stream == .errors ? .errors(bytes) : .output(bytes))
        }
    }

    /// Says why they can't be set; nothing, when they are.
    private mutating func set(_ limits: CgroupLimits) -> String {
        do {
            if program != nil { try cgroup.apply(limits, everything: true) }
            spec.limits = limits
            return ""
        } catch {
            // Some may be set already.
            if !(error is MemoryInUse) { try? cgroup.apply(spec.limits, everything: true) }
            return "\(error)"
        }
    }

    // MARK: Ending

    private mutating func stop(seconds: UInt32) {
        guard program != nil else { return giveUp("it was stopped before it started") }
        let deadline = milliseconds() + Int64(seconds) * 1000
        killAt = min(killAt ?? deadline, deadline)
        guard phase != .stopping else { return }
        phase = .stopping
        announce()
        awaitsInit = spec.boots
        if !spec.boots { signalPayload(spec.stopSignal) }
    }

    /// systemd-nspawn would pass it on at once, and an init that is about to boot loses it.
    private mutating func powerOff() {
        guard let leader, leader.expects(Self.powerOffSignal) else { return }
        leader.send(Self.powerOffSignal)
        awaitsInit = false
    }

    /// Process 1 is the runtime's small init; what it started is its only child.
    private func signalPayload(_ number: CInt) {
        guard let leader, leader.isRunning, !spec.boots else {
            program?.signal(number)
            return
        }
        let children = Self.children(of: leader)
        if children.isEmpty { leader.send(number) }
        for child in children {
            // Once the descriptor is open the number can't change hands behind it.
            guard let process = try? OwnedFD.ofProcess(child), Self.children(of: leader).contains(child) else { continue }
            _ = dish_pidfd_send_signal(process.number, number)
        }
    }

    private static func children(of leader: ProcessIdentity) -> [pid_t] {
        let path = "/proc/\(leader.pid)/task/\(leader.pid)/children"
        guard let text = try? Files.readText(path), leader.isRunning else { return [] }
        return text.split(separator: " ").compactMap { pid_t($0) }
    }

    private mutating func finish() {
        let outOfMemory = cgroup.outOfMemoryKills() > 0
        if failure == nil, leader == nil, status != .code(0) { failure = complaint.text }
        let record = ExitRecord(
            generation: spec.generation, status: status ?? .code(127), outOfMemory: outOfMemory, at: Int64(time(nil)),
            message: failure, isAbandoned: isAbandoned)
        // Before anybody hears of it.
        do {
            try Files.replace("\(spec.stateDirectory)/exit", with: record.text.utf8, durable: spec.durable)
        } catch {
            complain("\(error)")
        }
        log?.close()
        // A client that connected but hasn't been heard yet shall hear of the end too.
        serveClients(Ready(connection: false, readable: Array(clients.indices)))
        for index in clients.indices { clients[index].send(.exited(record)) }
        let deadline = milliseconds() + 5000
        while clients.contains(where: { $0.hasQueue && !$0.isGone }), milliseconds() < deadline {
            var polled = clients.map { pollfd(fd: $0.socket, events: Int16(POLLOUT), revents: 0) }
            poll(&polled, nfds_t(polled.count), 100)
            for index in clients.indices { clients[index].flush() }
        }
        unlink(spec.socket)
        unlink(notifyPath)
        cgroup.remove()
    }

    // MARK: State

    private var record: RunningRecord? {
        guard let helper = ProcessIdentity(running: getpid()), let runtime = program?.identity else { return nil }
        return RunningRecord(
            generation: spec.generation, phase: phase, boot: boot, helper: helper, runtime: runtime, leader: leader,
            cgroups: entrances)
    }

    /// Writes the state down and tells it to those who watch.
    private mutating func announce() {
        guard let record else { return }
        do {
            try Files.replace("\(spec.stateDirectory)/running", with: record.text.utf8, durable: false)
        } catch {
            complain("\(error)")
        }
        for index in clients.indices where clients[index].isWatching { clients[index].send(.state(record)) }
    }
}

/// The monotonic clock.
func milliseconds() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
}
