import Layers
import Linux

extension TaskRun.Rollback {
    var target: String { snapshot.map { "'\($0)'" } ?? "its image" }
}

extension TaskManager {
    func rollBack(_ intent: TaskIntent, _ rollback: TaskRun.Rollback) async throws {
    }
}
