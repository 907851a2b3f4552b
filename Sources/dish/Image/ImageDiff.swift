import ArgumentParser
import Builder
import Layers
import Manifest
import Spec

struct ImageDiff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show how two images differ: packages, users, units, files, size.",
        discussion: """
            With one image, it is compared with its parent.

            Examples:
              dish image diff //web:app
              dish image diff 1a2b3c4d //web:app --json
            """)

    @Argument(help: "One image, or an older and a newer one: labels, names or layer ids.", completion: .image)
    var images: [String]
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (1...2).contains(images.count) else { throw ValidationError("Name one image or two.") }
    }

    func run() throws {
        try requireRoot(to: "compare images")
        let pool = try pool.openToRead()
        let new = try pool.resolve(images.last!)
        let old = try images.count == 2 ? pool.resolve(images[0]) : new.parent.flatMap { try pool.layer($0) }
        let difference = try ImageDifference(from: old, to: new, in: pool)
        if json.json { return try printJSON(difference) }
        show(difference.packages, "packages")
        show(difference.users, "users")
        show(difference.groups, "groups")
        if !difference.units.isEmpty { print("units:", to: .output) }
        for unit in difference.units { print("  \(sign(unit.kind)) \(unit.path)", to: .output) }
        printFiles(difference.files)
        let change = difference.newSize - difference.oldSize
        print(
            "size: \(ByteCount(bytes: UInt64(max(0, difference.oldSize)))) -> \(ByteCount(bytes: UInt64(max(0, difference.newSize)))) (\(change < 0 ? "-" : "+")\(ByteCount(bytes: change.magnitude)))",
            to: .output)
    }

    private func show(_ entries: [ImageDifference.Entry], _ title: String) {
        if !entries.isEmpty { print("\(title):", to: .output) }
        for entry in entries {
            switch (entry.before, entry.after) {
            case (nil, let after?): print("  + \(entry.name) \(after)", to: .output)
            case (let before?, nil): print("  - \(entry.name) \(before)", to: .output)
            case (let before, let after): print("  ~ \(entry.name) \(before ?? "") -> \(after ?? "")", to: .output)
            }
        }
    }
}

func sign(_ kind: TreeChange.Kind) -> String {
    switch kind {
    case .added: "+"
    case .removed: "-"
    case .changed: "~"
    }
}

/// A line for each file that differs.
func printFiles(_ changes: [TreeChange]) {
    if !changes.isEmpty { print("files:", to: .output) }
    for change in changes {
        var line = "  \(sign(change.kind)) \(oneLine(change.path))"
        if !change.aspects.isEmpty { line += " (\(change.aspects.joined(separator: ", ")))" }
        if let size = change.newSize, change.kind != .changed || change.aspects.contains("content") {
            line += " \(ByteCount(bytes: size))"
        }
        print(line, to: .output)
    }
}
