import ArgumentParser
import Builder
import Linux
import Manifest

/// Consent to what a build takes from others.
struct LabelOptions: ParsableArguments {
    @Flag(help: "Take labels away from the images of another workspace (or DISH_TAKE_LABELS=1).")
    var takeLabels = false

    /// True if that was said.
    var takesLabels: Bool { takeLabels || environmentVariable("DISH_TAKE_LABELS") != nil }
}

/// Which workspace labels belong to.
struct WorkspaceOptions: ParsableArguments {
    @Option(help: "The workspace (default: the nearest folder above with a WORKSPACE file, or this folder).")
    var workspace: String?

    func open() -> Workspace {
        Workspace(around: workspace ?? ".")
    }

    /// Labels as written, `:name` ones resolved in the current folder; `//...` is all of them.
    func labels(_ texts: [String], in workspace: Workspace) throws -> [Label] {
        try texts.flatMap { text in
            if text == "//..." { return try workspace.allLabels() }
            guard let label = try workspace.label(text, in: workspace.folder(at: ".")) else {
                throw ValidationError("'\(text)' is not a label; write //folder:name, :name, or //... for all.")
            }
            return [label]
        }
    }

    /// One label as its text: what it is called in a pool.
    func label(_ text: String) throws -> String {
        let workspace = open()
        guard let label = try workspace.label(text, in: workspace.folder(at: ".")) else {
            throw ValidationError("'\(text)' is not a label; write //folder:name or :name.")
        }
        return try workspace.name(of: label)
    }
}
