import AgentAPI
import ArgumentParser

struct HostPackages: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "packages", abstract: "List images of registries that the agent fetches or has fetched.",
        discussion: """
            Examples:
              dish host packages
              dish host packages --forget registry.example/web:2     end the attempts to fetch it
            """)

    @Option(help: "An image that is being fetched, and needn't be any more.")
    var forget: String?
    @OptionGroup var json: JSONOption

    func run() async throws {
        let agent = try AgentClient.host
        if let forget { return try await agent.forget(package: forget) }
        let packages = try await agent.packages()
        if json.json { return try printJSON(packages) }
        print(packages.line, to: .output)
        printTable(
            ["IMAGE", "STATE", "LAYER", "TRANSFERRED", "USED", "REASON"],
            packages.packages.map { image in
                [
                    image.reference, image.state.rawValue, image.layer.map { String($0.prefix(12)) } ?? "-", image.transferred,
                    image.lastUsed.map(age) ?? "-", printable(image.explanation ?? "-"),
                ]
            })
    }
}

extension PackagesStatus {
    /// One line that says how they are.
    var line: String {
        let present = packages.count { $0.state == .present }
        let others = packages.count - present
        let state = pool.isFull ? "; pulls are refused: \(pool.reason ?? "")" : ""
        return
            "images of registries: \(present) here\(others > 0 ? ", \(others) on their way" : ""); the pool is \(pool.percent) % full, and images are collected above \(pool.high) %\(state)"
    }
}

extension PackageStatus {
    var transferred: String {
        guard expected > 0 || bytes > 0 else { return "-" }
        return expected > bytes ? "\(shownBytes(bytes)) of \(shownBytes(expected))" : shownBytes(bytes)
    }

    /// What it is doing, or why it isn't here.
    var explanation: String? {
        switch state {
        case .present: nil
        case .queued: reason ?? "waits for others"
        case .pulling: step
        case .waiting: "\(reason ?? "it failed"); tried again in \((retryIn ?? 0) / 1000) s"
        case .failed: reason
        }
    }
}
