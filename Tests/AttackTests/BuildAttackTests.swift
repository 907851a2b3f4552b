import Fixtures
import Linux
import Testing

extension Attacks {
    /// The program as root in steps of builds and in tests of images.
    @Suite struct BuildAttackTests {
        @Test func aStepOfABuildReachesNothing() async throws {
            try await AttackScene.use { scene in
                let workspace = try await AttackImage.workspace()
                try AttackImage.write(
                    workspace,
                    more: """
                          - name: built
                            parent: :image
                            run:
                              - |
                                \(try scene.script()) > /srv/report 2>&1 || true

                        """)
                let built = try await scene.host.dish("image", "build", "//attack:built", in: workspace.path)
                try #require(built.code == 0, "\(built)")
                let report = try await scene.host.dish(
                    "run", "--rm", "--network", "none", "//attack:built", "--", "/bin/cat", "/srv/report")
                scene.expectHeld(report.output, "a step of a build", of: report)
            }
        }

        @Test(arguments: [false, true])
        func aTestOfAnImageReachesNothing(_ boots: Bool) async throws {
            try await AttackScene.use { scene in
                let workspace = try await AttackImage.workspace()
                try AttackImage.write(
                    workspace,
                    more: """
                          - name: tested
                            parent: :image
                            tests:
                              - name: attack
                                \(boots ? "boot: {}" : "size_budget: 100G")
                                commands:
                                  - script: |
                                      \(try scene.script())
                                    stdout: {matches: ["^total .* succeeded=0 "], lacks: [" succeeded "]}

                        """)
                let tested = try await scene.host.dish("image", "test", "//attack:tested", in: workspace.path)
                #expect(tested.code == 0, "a test of an image: \(tested)")
            }
        }
    }
}
