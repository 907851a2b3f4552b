import ArgumentParser

struct ImageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Build images and look at them.",
        subcommands: [
            ImageBuildCommand.self, ImageTestCommand.self, ImagePlan.self, ImageList.self, ImageShow.self, ImageTree.self,
            ImageTag.self, ImageRemove.self, ImageSend.self, ImageReceive.self, ImageDiff.self, ImageDiskUsage.self,
            ImageHistory.self, ImageExplain.self, ImagePush.self, ImagePull.self, ImageImportCommand.self,
            ImageExportCommand.self, ImageSign.self, ImageVerify.self, ImageCollect.self, ImageWhatRan.self, ImageQuery.self,
            ImageShellCommand.self, ImageSchema.self,
        ])
}
