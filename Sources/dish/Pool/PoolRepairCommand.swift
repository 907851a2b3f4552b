import ArgumentParser
import Layers

struct PoolRepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Find what is wrong in a pool's records and layers, and put it right.",
        discussion: """
            Records of layers, volumes and snapshots that can't be read are written anew, names of layers that are gone are removed, and what can't be
            saved moves to 'damaged' in the pool: nothing that has content is removed. Tasks run on meanwhile.

            What the devices hold is compared with its checksums by 'dish pool scrub'; with --content each layer's content is compared with its id, too.
            Ends with 1 when something is left that people have to do; with --check, when anything is wrong.

            Examples:
              dish pool repair
              dish pool repair --check --json
              dish pool repair /srv/pool --content
            """)

    @OptionGroup var pool: PoolPath
    @Flag(help: "Only say what is wrong and what would be done.")
    var check = false
    @Flag(help: "Read all layers and compare them with their ids.")
    var content = false
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "repair a pool")
        var findings: [PoolFinding] = []
        let path = try pool.name
        try PoolRegistry.host.mount(path)
        if let finding = try PoolRepair.marker(at: path, isDry: check) {
            findings.append(finding)
        }
        if findings.isEmpty || !check {
            let progress = LineOfProgress()
            defer { progress.end() }
            let repair = PoolRepair(try pool.open(), isDry: check, readsContent: content) { done, all in
                progress.show("compared \(done) of \(all) layers")
            }
            findings += try repair.run()
        }
        try show(findings)
        if findings.contains(where: { check || !$0.isRepaired }) { throw ExitCode(1) }
    }

    private func show(_ findings: [PoolFinding]) throws {
        if json.json { return try printJSON(findings) }
        guard !findings.isEmpty else { return print("nothing is wrong", to: .output) }
        for finding in findings {
            let verb = !finding.isRepaired ? "to do: " : check ? "would be done: " : "done: "
            print(
                "\(printable(finding.subject)): \(printable(finding.problem)); \(verb)\(printable(finding.remedy))", to: .output)
        }
    }
}
