import Fixtures
import Testing

/// Other container managers inside of a task, as docs/tasks.md says they run.
extension BuildEngine {
    @Suite struct InnerContainerTests {
        @Test func podmanRunsContainersInABootedTask() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try workspace.write(
                "inner/IMAGES.yaml",
                """
                images:
                  - name: podman
                    parent: //os:base
                    packages: [podman, crun, busybox-static]
                    files:
                      - path: /etc/containers/containers.conf
                        text: |
                          [containers]
                          cgroups = "disabled"
                          keyring = false
                          netns = "host"
                    tests: []
                """)
            let built = try await host.dish("image", "build", "//inner:podman", in: workspace.path)
            try #require(built.code == 0, "\(built)")
            try await host.withAgent { _ in
                let started = try await host.dish("run", "//inner:podman", "--name", "outer")
                try #require(started.code == 0, "\(started)")
                let script = """
                    mkdir -p /root/image/bin && cp /bin/busybox /root/image/bin && ln -s busybox /root/image/bin/sh
                    tar -C /root/image -c . | podman import -q - inner:1 >/dev/null &&
                    podman run --rm inner:1 /bin/sh -c 'echo inside $$ $(busybox id -u)' &&
                    podman run --rm --volume /root:/there:ro inner:1 /bin/sh -c 'busybox ls /there' &&
                    podman run --detach --name later inner:1 /bin/busybox sleep 1000 >/dev/null &&
                    podman exec later /bin/sh -c 'echo entered' && podman rm --force --time 0 later >/dev/null && podman ps --quiet
                    """
                let ran = try await host.dish("exec", "outer", "--", "/bin/sh", "-c", script)
                #expect(ran.output == "inside 1 0\nimage\nentered\n", "\(ran)")
            }
        }
    }
}
