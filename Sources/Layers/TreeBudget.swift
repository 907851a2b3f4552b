import Linux

/// Memory that one tree may take: set for work that a client of the agent asks for, since a program inside a task decides how many
/// names there are and how long they are.
public struct TreeBudget: Sendable {
    /// Names of files, directories and everything else.
    public var nodes: Int
    /// Names, paths, link targets and extended attributes.
    public var bytes: Int

    /// The budget of each tree and each comparison in the current work; nil for none.
    @TaskLocal public static var current: TreeBudget?

    public init(nodes: Int, bytes: Int) {
        self.nodes = nodes
        self.bytes = bytes
    }
}

/// A tree, or the comparison of two, exceeds the budget of who asked for it.
public struct TreeTooLarge: Error, CustomStringConvertible {
    let budget: TreeBudget

    public var description: String {
        "it has more than \(budget.nodes) files, or more than \(budget.bytes >> 20) MB of names and attributes"
    }
}

/// Counts what a tree takes in memory. It also ends work that was cancelled: in a single directory there may be millions of names.
struct TreeMeter {
    private let budget = TreeBudget.current
    private var nodes = 0
    private var bytes = 0
    private var steps = 0

    mutating func addNodes(_ count: Int) throws {
        nodes += count
        if let budget, nodes > budget.nodes { throw TreeTooLarge(budget: budget) }
        try step()
    }

    mutating func addBytes(_ count: Int) throws {
        bytes += count
        if let budget, bytes > budget.bytes { throw TreeTooLarge(budget: budget) }
        try step()
    }

    /// Checks for cancellation at the first of 256 calls.
    private mutating func step() throws {
        if steps & 255 == 0 { try Cancellation.check() }
        steps &+= 1
    }
}
