import Dispatch
import Glibc
public import Linux
import Synchronization

/// Applies the commands of a stream on several threads where their order doesn't matter.
///
/// Names are made on the caller's thread. What else is said of a file that the stream just made is gathered and done on other
/// threads, which have it open and look up no names, always in order for one file. Everything that isn't about such a file, or about
/// a name that was just made, waits until all before it is done. So what is there when a command begins is what a `TreeApplier`
/// alone would have.
public final class StreamApplier {
    private let main: TreeApplier
    private let workers: [Worker]
    private let shared = Shared()
    private var job = Job()
    /// Whether a worker waits for more of its last job's file.
    private var isContinuing = false
    /// The file that the open job's last commands are about.
    private var file: [UInt8]?
    /// The link or special file that was made last.
    private var special: [UInt8]?
    private var worker = 0
    private let budget: ReceiveBudget?
    private let findSource: (SubvolumeUUID) throws -> TreeApplier.CloneSource?
    /// Sources that were found when they were needed: the workers don't know them.
    private var found: Set<SubvolumeUUID> = []

    /// What all threads see.
    private final class Shared: Sendable {
        struct State {
            var pending = 0
            var failure: (any Error)?
            var free: [Job] = []
        }

        let group = DispatchGroup()
        let state = Mutex(State())
        /// As many jobs wait or run as there are places.
        let places = DispatchSemaphore(value: 6)
    }

    private struct Worker {
        let queue: DispatchQueue
        let applier: TreeApplier
    }

    /// - Parameters:
    ///   - root: the tree's root directory, open for reading.
    ///   - uuid: what the stream calls the tree.
    ///   - sources: other subvolumes that the stream may clone from.
    ///   - budget: bytes that may be cloned; nil for a stream that is trusted.
    ///   - witness: makes those who are told what is written, one for each thread.
    ///   - findSource: looks for a further subvolume to clone from.
    public init(
        _ root: borrowing OwnedFD, uuid: SubvolumeUUID, sources: [SubvolumeUUID: TreeApplier.CloneSource],
        budget: ReceiveBudget? = nil, witness: (() -> any ContentWitness)? = nil,
        findSource: @escaping (SubvolumeUUID) throws -> TreeApplier.CloneSource? = { _ in nil }
    ) throws {
        self.budget = budget
        self.findSource = findSource
        main = try TreeApplier(try root.duplicate(), uuid: uuid, sources: sources, witness: witness?())
        var workers: [Worker] = []
        for number in 0..<2 {
            let copies = try sources.mapValues { try $0.copy() }
            workers.append(
                Worker(
                    queue: DispatchQueue(label: "dish.apply.\(number)"),
                    applier: try TreeApplier(
                        try root.duplicate(), uuid: uuid, sources: copies, witness: witness?())))
        }
        self.workers = workers
    }

    /// Waits until nothing works on the tree any more, whatever became of it.
    public func stop() {
        shared.group.wait()
    }

    /// Applies one command, now or soon.
    ///
    /// - Throws: as `TreeApplier.apply`, for this command or an earlier one.
    public func apply(_ command: StreamCommand, _ data: RawSpan, at offset: UInt64) throws {
        switch command {
        case .makeFile(let path, _):
            if job.isWorthwhile { try submit(continues: false) }
            let descriptor = try created(path, offset)
            file = path
            job.add(path, descriptor)
        case .makeDirectory: try main.apply(command, data, at: offset)
        case .makeSymlink(let path, _, _), .makeNode(let path, _, _, _), .makeFIFO(let path, _), .makeSocket(let path, _):
            special = path
            try main.apply(command, data, at: offset)
        case .write(let path, _), .encodedWrite(let path, _), .truncate(let path, _), .fallocate(let path, _, _, _),
            .setMode(let path, _), .setOwner(let path, _, _), .setTimes(let path, _, _, _, _), .setAttribute(let path, _, _),
            .removeAttribute(let path, _):
            if path == file {
                try add(command, data, offset)
            } else if path == special {
                try main.apply(command, data, at: offset)
            } else {
                try applyAlone(command, data, offset)
            }
        case .clone(let path, _, let length, let source, _, _, _):
            guard try budget?.clone(length) ?? true else {
                throw StreamError(
                    .refused, at: offset,
                    "clone: the file clones far more data than it has or is against; neither 'dish' nor 'btrfs send' makes such a one"
                )
            }
            if !main.knows(source), let further = try findSource(source) {
                main.add(further, as: source)
                found.insert(source)
            }
            if path == file, source != main.uuid, !found.contains(source) {
                try add(command, data, offset)
            } else {
                try applyAlone(command, data, offset)
            }
        default: try applyAlone(command, data, offset)
        }
    }

    private func created(_ path: [UInt8], _ offset: UInt64) throws -> OwnedFD {
        do { return try main.create(path) } catch let fault as CommandFault {
            throw StreamError(fault.code, at: offset, "mkfile: \(fault.reason)")
        }
    }

    private func applyAlone(_ command: StreamCommand, _ data: RawSpan, _ offset: UInt64) throws {
        try finishPending()
        try main.apply(command, data, at: offset)
    }

    /// Does all that was gathered and waits for all that others do.
    private func finishPending() throws {
        (file, special) = (nil, nil)
        let isIdle = shared.state.withLock { $0.pending == 0 }
        if isIdle, !isContinuing {
            try throwFailure()
            try job.run(main)
            job.clear()
        } else {
            try submit(continues: false)
            shared.group.wait()
            try throwFailure()
        }
        main.closeFile()
    }

    private func throwFailure() throws {
        if let failure = shared.state.withLock({ $0.failure }) { throw failure }
    }

    private func add(_ command: StreamCommand, _ data: RawSpan, _ offset: UInt64) throws {
        if !job.takes(data.byteCount) { try submit(continues: true) }
        job.add(command, data, offset)
    }

    /// - Parameter continues: whether the next job goes on with this one's last file: then it has the same worker.
    private func submit(continues: Bool) throws {
        try throwFailure()
        guard !job.isEmpty || isContinuing else { return }
        isContinuing = continues
        shared.places.wait()
        let (full, applier) = (job, workers[worker].applier)
        job = shared.state.withLock { state in
            state.pending += 1
            return state.free.popLast() ?? Job()
        }
        let work = Work(job: full, applier: applier)
        workers[worker].queue.async(group: shared.group) { [shared] in
            var failure: (any Error)?
            if shared.state.withLock({ $0.failure == nil }) {
                do { try work.job.run(work.applier) } catch { failure = error }
            }
            if !continues { work.applier.closeFile() }
            work.job.clear()
            shared.state.withLock { state in
                state.pending -= 1
                if state.failure == nil { state.failure = failure }
                state.free.append(work.job)
            }
            shared.places.signal()
        }
        if !continues { worker = (worker + 1) % workers.count }
    }

    /// A job and who does it: both belong to one queue at a time.
    private struct Work: @unchecked Sendable {
        let job: Job
        let applier: TreeApplier
    }

    /// Commands for one worker, with a copy of their data.
    private final class Job: @unchecked Sendable {
        private enum Item {
            case begin(path: [UInt8], descriptor: CInt)
            case apply(StreamCommand, data: Range<Int>, offset: UInt64)
        }

        private static let capacity = 1 << 20
        /// All jobs together stay far below what a process may have open.
        private static let mostFiles = 32
        private var files = 0
        private var items: [Item] = []
        /// Those before it are done.
        private var next = 0
        private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 4096)
        private var count = 0
        /// The data of a command that is larger than the buffer.
        private var large: [UInt8] = []

        deinit {
            clear()
            buffer.deallocate()
        }

        var isEmpty: Bool { items.isEmpty }
        var isWorthwhile: Bool { count >= Self.capacity / 4 || files >= Self.mostFiles }

        /// Whether there is room: for the data, and for a command, however many a file has.
        func takes(_ more: Int) -> Bool {
            items.isEmpty || count + more <= Self.capacity && items.count < Self.mostFiles * 8
        }

        func add(_ path: [UInt8], _ descriptor: consuming OwnedFD) {
            items.append(.begin(path: path, descriptor: descriptor.release()))
            files += 1
        }

        func add(_ command: StreamCommand, _ data: RawSpan, _ offset: UInt64) {
            data.withUnsafeBytes { bytes in
                if count + bytes.count <= Self.capacity {
                    UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(from: bytes)
                    items.append(.apply(command, data: count..<count + bytes.count, offset: offset))
                    count += bytes.count
                } else {
                    large = Array(bytes)
                    items.append(.apply(command, data: Self.capacity..<Self.capacity + bytes.count, offset: offset))
                    count = Self.capacity
                }
            }
        }

        func run(_ applier: TreeApplier) throws {
            while next < items.count {
                let item = items[next]
                next += 1
                switch item {
                case .begin(let path, let descriptor): applier.begin(path, OwnedFD(adopting: descriptor))
                case .apply(let command, let data, let offset):
                    if data.lowerBound == Self.capacity, !data.isEmpty {
                        try large.withUnsafeBytes { try applier.apply(command, $0.bytes, at: offset) }
                    } else {
                        try applier.apply(command, UnsafeRawBufferPointer(rebasing: buffer[data]).bytes, at: offset)
                    }
                }
            }
        }

        func clear() {
            // Files that nobody took, because something failed.
            for case .begin(_, let descriptor) in items[next...] { close(descriptor) }
            items.removeAll(keepingCapacity: true)
            (next, files) = (0, 0)
            large = []
            count = 0
        }
    }
}
