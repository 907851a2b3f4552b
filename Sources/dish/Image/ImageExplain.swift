import ArgumentParser
import Builder
import Layers

struct ImageExplain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Show which inputs changed before an image's last build, and which files differ for it.")

    @Argument(help: "A label.", completion: .label)
    var label: String
    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    private struct Answer: Codable {
        let explanation: Explanation
        /// Nil when one of the layers is gone.
        let files: [TreeChange]?
    }

    func run() throws {
        try requireRoot(to: "read builds")
        let pool = try pool.open()
        let label = try workspace.label(label)
        let builds = try pool.builds(of: label).filter { $0.layer != nil }
        guard let last = builds.last else {
            throw PoolError(
                .unknownImage, "\(label) was not built in the pool at '\(pool.path)'; build it: dish image build \(label)")
        }
        guard let previous = builds.dropLast().last else {
            if json.json { return try printJSON([String]()) }
            return print("\(label) was built once, \(age(last.started)): there was nothing to be taken from before", to: .output)
        }
        let explanation = Explanation(of: last, after: previous)
        let files = try files(from: previous.layer, to: last.layer, in: pool)
        if json.json { return try printJSON(Answer(explanation: explanation, files: files)) }
        print("\(label) was built in \(tenths(last.seconds)) s, \(age(last.started)), because of", to: .output)
        for input in explanation.inputs {
            let name = "\(input.kind) \(shortened(input.name))"
            switch (input.before, input.after) {
            case (nil, let after?): print("  + \(name) \(shortened(after))", to: .output)
            case (let before?, nil): print("  - \(name) \(shortened(before))", to: .output)
            case (let before, let after):
                print("  ~ \(name): \(shortened(before ?? "")) -> \(shortened(after ?? ""))", to: .output)
            }
        }
        if explanation.inputs.isEmpty { print("  no input: the result of the build before was removed", to: .output) }
        if let packages = explanation.packages {
            print("its packages were not installed again: they are in layer \(packages.short)", to: .output)
        }
        switch files {
        case nil: print("the layer of the build before is gone: its files can't be compared", to: .output)
        case let files? where files.isEmpty: print("the result is the same: layer \(last.layer!.short)", to: .output)
        case let files?: printFiles(files)
        }
    }

    private func files(from old: LayerID?, to new: LayerID?, in pool: Pool) throws -> [TreeChange]? {
        guard let old, let new, try pool.layer(old) != nil, try pool.layer(new) != nil else { return nil }
        return old == new ? [] : try pool.tree(of: new).changes(from: pool.tree(of: old))
    }

    private func shortened(_ text: String) -> String {
        let line = text.split(separator: "\n").joined(separator: "; ")
        return line.count > 100 ? line.prefix(97) + "..." : line
    }
}
