import Layers
import Linux

/// What a host remembers of its scheduler. What must outlive boots is in the state directory; when it was last heard of, which means
/// something within a boot only, among the sockets.
struct SchedulerStore: Sendable {
    private struct Contact: Codable {
        let boot: String
        /// Milliseconds of the host's clock.
        let at: Int64
    }

    private let memoryPath: String
    private let contactPath: String

    init(stateDirectory: String, runtimeDirectory: String) {
        memoryPath = "\(stateDirectory)/scheduler.json"
        contactPath = "\(runtimeDirectory)/scheduler.json"
    }

    /// - Throws: for what can't be read: an agent that forgot the epoch would obey whoever has lost it.
    func memory() throws -> SchedulerLink.Memory {
        Files.exists(memoryPath) ? try StateFile.read(SchedulerLink.Memory.self, memoryPath) : .init()
    }

    func write(_ memory: SchedulerLink.Memory) throws { try StateFile.write(memory, memoryPath) }

    /// Nil when it was in another boot.
    func contact(boot: String) -> Int64? {
        guard let contact = try? StateFile.read(Contact.self, contactPath), contact.boot == boot else { return nil }
        return contact.at
    }

    func write(contact: Int64, boot: String) throws {
        try StateFile.write(Contact(boot: boot, at: contact), contactPath, durable: false)
    }
}
