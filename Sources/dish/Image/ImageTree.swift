import ArgumentParser
import Layers

struct ImageTree: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tree", abstract: "Show how images stand on each other, and the tasks on them.")

    @Argument(help: "Only the stack of this image.", completion: .image)
    var image: String?
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    struct Node: Codable {
        let id: LayerID
        let names: [String]
        let tasks: [String]
        let children: [Node]
    }

    func run() throws {
        try requireRoot(to: "read images")
        let pool = try pool.open()
        let layers: [Layer]
        if let image {
            layers = try pool.stack(pool.resolve(image).id)
        } else {
            layers = try pool.allLayers()
        }
        let (names, tasks) = (try pool.allNames(), try pool.allTasks())
        func nodes(on parent: LayerID?) -> [Node] {
            layers.filter { $0.parent == parent }.map { layer in
                let own = names.filter { $0.value == layer.id }.keys.sorted()
                return Node(
                    id: layer.id, names: own.isEmpty ? [layer.label] : own,
                    tasks: tasks.filter { $0.layer == layer.id }.map(\.name).sorted(), children: nodes(on: layer.id))
            }
        }
        let roots = nodes(on: nil)
        if json.json { return try printJSON(roots) }
        for root in roots {
            print(title(root), to: .output)
            show(root, indent: "")
        }
    }

    private func title(_ node: Node) -> String {
        "\(node.names.joined(separator: " "))  \(node.id.short)"
    }

    private func show(_ node: Node, indent: String) {
        let lines = node.tasks.count + node.children.count
        for (index, task) in node.tasks.enumerated() {
            print("\(indent)\(index == lines - 1 ? "└─" : "├─") task \(task)", to: .output)
        }
        for (index, child) in node.children.enumerated() {
            let last = node.tasks.count + index == lines - 1
            print("\(indent)\(last ? "└─" : "├─") \(title(child))", to: .output)
            show(child, indent: indent + (last ? "   " : "│  "))
        }
    }
}
