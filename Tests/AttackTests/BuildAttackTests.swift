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

        /// Links beside subvolumes, pipes, holes, names and depths: in a step that works and in one that fails.
        @Test func whatAStepLeavesLeadsNowhereAndHoldsNothingUp() async throws {
            try await AttackScene.use { scene in
                let host = scene.host
                let workspace = try await AttackImage.workspace()
                let leave = "'\(AttackImage.program)' leave '\(scene.canaryFact())'"
                try AttackImage.write(
                    workspace,
                    more: """
                          - {name: fails, parent: ":image", run: ["\(leave); exit 1"]}
                          - {name: works, parent: ":image", run: ["\(leave)"]}
                          - {name: next, parent: ":image", run: ["echo \(UInt32.random(in: 0 ... .max)) > /srv/next"]}

                        """)
                func build(_ name: String) async throws -> Outcome {
                    let outcome = try await host.dish(
                        arguments: ["image", "build", "//attack:\(name)"], in: workspace.path,
                        under: ["/usr/bin/timeout", "--signal=KILL", "120"])
                    #expect(outcome.code != 137, "building '\(name)' doesn't end: \(outcome)")
                    return outcome
                }
                #expect(try await build("fails").code == 1)
                let works = try await build("works")
                let next = try await build("next")
                #expect(next.code == 0, "\(next)")
                if works.code == 0 { #expect(try await host.dish("image", "rm", "//attack:works").code == 0) }
                #expect(try await host.dish("volume", "create", "after").code == 0)
                #expect(try await host.dish("volume", "rm", "after").code == 0)
                #expect(try Files.list("\(scene.pool)/staging") == [])
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
                                      \(try scene.script(["show=succeeded,broken"]))
                                    stdout: {matches: ["^total .* succeeded=0 .* broken=0$"], lacks: [" succeeded ", " broken "]}

                        """)
                let tested = try await scene.host.dish("image", "test", "//attack:tested", in: workspace.path)
                #expect(tested.code == 0, "a test of an image: \(tested)")
            }
        }
    }
}
