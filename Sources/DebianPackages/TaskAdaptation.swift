/// A package's needs to run in a task as it comes: a drop-in of one of its units.
public struct TaskAdaptation: Sendable {
    public let package: String
    public let unit: String
    /// The drop-in's content.
    public let text: String

    public static let all = [
        TaskAdaptation(
            package: "docker.io", unit: "docker.service",
            text: """
                # The network of a task is its host's to change. Where it can't be changed from inside, and nothing else is configured, Docker
                # has no network of its own: its containers use the task's (--network host), or none.
                [Service]
                EnvironmentFile=-/run/dish-docker.env
                ExecStartPre=/bin/sh -c 'case "$$DOCKER_OPTS" in *--bridge=*) exit 0;; esac; \\
                    [ -e /etc/docker/daemon.json ] || iptables -n -L > /dev/null 2>&1 || \\
                    echo "DOCKER_OPTS=$$DOCKER_OPTS --bridge=none --iptables=false" > /run/dish-docker.env'

                """)
    ]
}
