import ArgumentParser
import Layers

struct ImageWhatRan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "what-ran", abstract: "Show the sandbox commands of an image's last build, to be run by hand.",
        discussion: """
            The output is a shell script. Its argument is a root to work on, such as
              btrfs subvolume snapshot POOL/layers/ID/rootfs DIR
            """)

    @Argument(help: "A label.", completion: .label)
    var label: String
    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "read builds")
        let pool = try pool.open()
        let label = try workspace.label(label)
        guard let build = try pool.builds(of: label).last else {
            throw PoolError(
                .unknownImage, "\(label) was not built in the pool at '\(pool.path)'; build it: dish image build \(label)")
        }
        if json.json { return try printJSON(build) }
        let result = build.layer.map { "layer \($0.short)" } ?? "a failed build"
        print("#!/bin/sh\n# \(label), \(age(build.started)): \(result)", to: .output)
        if let packages = build.packages {
            print(
                "# Its packages were installed before, in '\(pool.root(of: packages))': that is what the steps began with.",
                to: .output)
        } else if let parent = build.parent {
            print("# It stands on '\(pool.root(of: parent))'.", to: .output)
        }
        print("root=${1:?give the root to work on}", to: .output)
        for step in build.steps {
            print("\n# \(step.name): \(tenths(step.seconds)) s", to: .output)
            let environment = step.environment.sorted { $0.key < $1.key }.map { quoted("\($0.key)=\($0.value)") }
            let words = step.command.map { word in
                // The root was a place in staging, which is gone.
                word.replacing(build.root, with: "\u{0}").split(separator: "\u{0}", omittingEmptySubsequences: false)
                    .map { quoted(String($0)) }.joined(separator: "\"$root\"")
            }
            print("env -i \((environment + words).joined(separator: " "))", to: .output)
        }
    }

    /// A word for the shell; plain ones stay as they are.
    private func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-_./:=,@%+".utf8.contains(byte)
        }
        return isPlain ? word : "'\(word.replacing("'", with: "'\\''"))'"
    }
}
