import AgentAPI
import ArgumentParser
import Builder
import Layers
import Linux
import Manifest

/// What a shell offers where a name is wanted: the names that there are. It offers none where they can't be read, without a word.
extension CompletionKind {
    static var task: Self { names { try await AgentClient.host.tasks().map(\.name) } }

    static var job: Self { names { try await AgentClient.host.jobs().map(\.name) } }

    static var operation: Self { names { try await AgentClient.host.operations().map(\.id) } }

    static var cancellableOperation: Self {
        names { try await AgentClient.host.operations().filter(\.canCancel).map(\.id) }
    }

    static var secret: Self { names { try await AgentClient.host.secrets().map(\.name) } }

    /// Of the pool's images.
    static var image: Self { .custom { words, _, _ in offered(try? pool(words).allNames().keys.sorted()) } }

    static var volume: Self { .custom { words, _, _ in offered(try? pool(words).allVolumes().map(\.name)) } }

    /// Of the images of the workspace around the current folder, and `//...` for all. A folder that isn't marked as one could be
    /// anything, and large.
    static var label: Self {
        .custom { _, _, _ in
            let workspace = Workspace(around: ".")
            guard Files.exists("\(workspace.root)/\(Workspace.marker)") else { return [] }
            return offered(try? ["//..."] + workspace.allLabels().map(\.description))
        }
    }

    private static func names(_ list: @escaping @Sendable () async throws -> [String]) -> Self {
        .custom { (words: [String], _: Int, _: String) async -> [String] in
            // Another host's agent, where the line names one.
            RemoteOptions.pass(Array(words.dropFirst()))
            return offered(try? await list())
        }
    }

    private static func offered(_ names: [String]?) -> [String] {
        // There an explanation would follow a colon.
        (names ?? []).map { CompletionShell.requesting == .zsh ? $0.replacing(":", with: "\\:") : $0 }
    }

    /// It mounts nothing: who presses a key for a name hasn't asked for that.
    private static func pool(_ words: [String]) throws -> Pool {
        let option = words.firstIndex(of: "--pool").map { $0 + 1 }
        let named = option.flatMap { $0 < words.count ? words[$0] : nil } ?? environmentVariable("DISH_POOL")
        return try Pool(at: named ?? PoolRegistry.host.defaultPath())
    }
}
