import ArgumentParser

struct JobCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job", abstract: "Tasks with replicas that the agent keeps as they are described.",
        discussion: """
            Examples:
              dish job diff jobs.yaml
              dish job apply jobs.yaml
              dish job status web --follow
              dish job rollback web
              dish job rm web
            """,
        subcommands: [
            JobApply.self, JobDiff.self, JobList.self, JobShow.self, JobStatusCommand.self, JobStop.self, JobRollback.self,
            JobHistory.self, JobRemove.self, JobSchema.self,
        ])
}
