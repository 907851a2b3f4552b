import ArgumentParser
import Builder
import Linux
import Manifest

struct ImageQuery: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Show what an image needs (deps), or what needs it (rdeps).",
        discussion: """
            Examples:
              dish image query deps //web:app
              dish image query rdeps //os:base --output dot | dot -Tsvg > images.svg
            """)

    enum Question: String, ExpressibleByArgument, CaseIterable {
        case deps
        case rdeps
    }

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
        case dot
    }

    @Argument(help: "deps or rdeps.")
    var question: Question
    @Argument(help: "A label.", completion: .label)
    var label: String
    @Option(help: "text, json or dot.")
    var output = Format.text
    @OptionGroup var workspace: WorkspaceOptions

    func run() throws {
        let workspace = workspace.open()
        let labels = try self.workspace.labels([label], in: workspace)
        let asked = question == .rdeps ? try workspace.allLabels() : []
        let query = TargetQuery(try workspace.targets(labels + asked))
        let nodes = question == .deps ? query.dependencies(of: labels[0]) : query.dependents(of: labels[0])
        switch output {
        case .text: for node in nodes { print(node.label, to: .output) }
        case .json: try printJSON(nodes)
        case .dot:
            print("digraph images {", to: .output)
            for node in nodes {
                print("  \"\(node.label)\";", to: .output)
                for need in node.needs { print("  \"\(node.label)\" -> \"\(need)\";", to: .output) }
            }
            print("}", to: .output)
        }
    }
}
