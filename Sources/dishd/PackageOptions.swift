import Agent
import ArgumentParser
import Layers

/// How the agent keeps images and room for them (docs/packages.md).
struct PackageOptions: ParsableArguments {
    @Option(help: "Percent of the pool above which images that nothing uses are collected, and no more are pulled.")
    var packagesHigh = 85
    @Option(help: "Percent of the pool down to which they are collected.")
    var packagesLow = 80
    @Option(help: "Days without use after which an image is collected in any case.")
    var packagesDays = 14
    @Option(help: "Seconds after its last use in which an image is never collected.")
    var packagesSpare = 600
    @Option(help: "Of how many versions of a job before the last the images stay, for 'dish job rollback'.")
    var packagesVersions = 5

    func validate() throws {
        guard (1...100).contains(packagesHigh), (0...packagesHigh).contains(packagesLow) else {
            throw ValidationError("--packages-high must be from 1 to 100, and --packages-low from 0 to that.")
        }
        for (name, number) in [
            ("--packages-days", packagesDays), ("--packages-spare", packagesSpare), ("--packages-versions", packagesVersions),
        ] {
            guard (0...1_000_000).contains(number) else { throw ValidationError("\(name) must be a number from 0 to 1000000.") }
        }
    }

    var policy: PackagePolicy {
        var policy = PackagePolicy()
        (policy.collection.high, policy.collection.low) = (packagesHigh, packagesLow)
        policy.collection.keep = Int64(packagesDays) * 86400
        policy.collection.spare = Int64(packagesSpare)
        policy.versions = packagesVersions
        return policy
    }
}
