import Btrfs
import Fixtures
import Layers
import Linux
import Testing

/// What runs and what doesn't, and what is known of it afterwards.
extension BuildEngine {
    @Suite struct GraphTests {
        private let label: String
        private let folder: String

        init() {
            // Each test has labels of its own in the shared pool.
            folder = "t" + String(UInt32.random(in: 0 ... .max), radix: 36)
            label = "//\(folder):app"
        }

        private func write(_ workspace: TestWorkspace, _ text: String) throws {
            try workspace.write("\(folder)/IMAGES.yaml", text)
        }

        private func image(named name: String = "app", parent: String = "//os:base", _ rest: String) -> String {
            "  - name: \(name)\n    parent: \(parent)\n    \(rest)\n"
        }

        @Test func aChangedCommentRunsNothing() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try write(workspace, "images:\n" + image("run: ['echo made > /srv/made']"))
            #expect(try await host.dish("image", "build", label, in: workspace.path).code == 0)
            try write(workspace, "# Why it is so.\nimages:\n" + image("run: ['echo made > /srv/made']"))
            let again = try await host.dish("image", "build", label, in: workspace.path)
            #expect(again.errors.contains("\(label): unchanged"), "\(again)")
            #expect(!again.errors.contains("\(label): build"), "\(again)")
        }

        @Test func aParentRebuiltToTheSameTreeDoesNotRebuildItsChildren() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            let child = image(named: "child", parent: ":app", "run: ['echo child > /srv/child']")
            try write(workspace, "images:\n" + image("run: ['echo made > /srv/made']") + child)
            #expect(try await host.dish("image", "build", "//\(folder):child", in: workspace.path).code == 0)
            try write(workspace, "images:\n" + image("run: ['printf \"made\\n\" > /srv/made']") + child)
            let again = try await host.dish("image", "build", "//\(folder):child", in: workspace.path)
            #expect(again.errors.contains("\(label): run step 1 of 1"), "\(again)")
            #expect(again.errors.contains("//\(folder):child: unchanged"), "\(again)")
        }

        @Test func aChangedFileBuildsItsImageAndNoOther() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            // What no other test makes: it would be taken from there.
            let below = image(named: "org", "run: ['echo below > /srv/below']")
            let siblings = ["app", "other", "third"].map {
                image(named: $0, parent: ":org", "files: [{path: /srv/page, source: \($0).html}]")
            }
            try write(workspace, "images:\n" + below + siblings.joined())
            for name in ["app", "other", "third"] { try workspace.write("\(folder)/\(name).html", name) }
            let labels = ["org", "app", "other", "third"].map { "//\(folder):\($0)" }
            #expect(try await host.dish(arguments: ["image", "build"] + labels, in: workspace.path).code == 0)
            try workspace.write("\(folder)/app.html", "changed")
            let again = try await host.dish(arguments: ["image", "build", "--json"] + labels, in: workspace.path)
            #expect(again.code == 0, "\(again)")
            #expect(again.errors.contains("\(label): built layer"), "\(again)")
            for label in ["//os:base", labels[0], labels[2], labels[3]] {
                #expect(again.errors.contains("\(label): unchanged"), "\(again)")
                #expect(!again.errors.contains("\(label): build"), "\(again)")
            }
            // It runs nothing in a sandbox, and leaves one record more than before.
            let pool = try Pool(at: await BuildEnginePool.shared.path())
            let builds = try labels.map { try pool.builds(of: $0).count }
            #expect(builds == [1, 2, 1, 1], "\(again)")
            #expect(try pool.builds(of: label).last?.steps.isEmpty == true)
        }

        @Test func byteCodeStaysOutHoweverItComes() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try Pool(at: await BuildEnginePool.shared.path())
            let workspace = try TestWorkspace()
            let bring = "mkdir -p /usr/share/x/__pycache__; echo 1 > /usr/share/x/__pycache__/a.pyc; echo 2 > /usr/share/x/b.pyc"
            for body in ["run: ['\(bring)']", "files: [{path: /usr/share/x/b.pyc, text: x}]"] {
                try write(workspace, "images:\n" + image(body))
                let built = try await host.dish("image", "build", label, in: workspace.path)
                #expect(built.code == 0, "\(built)")
                #expect(try Files.list(pool.root(of: pool.resolve(label).id) + "/usr/share/x") == [])
            }
        }

        @Test func verifyNamesTheFilesOfAnImageThatIsNotReproducible() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try write(workspace, "images:\n" + image("run: ['head -c 9 /dev/urandom > /srv/random; echo same > /srv/same']"))
            #expect(try await host.dish("image", "build", label, in: workspace.path).code == 0)
            let verified = try await host.dish("image", "build", label, "--verify", "1", in: workspace.path)
            #expect(verified.code == 1)
            #expect(verified.errors.contains("built again from the same inputs it differs from layer"), "\(verified)")
            #expect(verified.errors.contains("  | changed /srv/random content"), "\(verified)")
            #expect(!verified.errors.contains("/srv/same"), "\(verified)")
            #expect(verified.errors.contains("//os:base: built again, gives layer"), "\(verified)")
        }

        @Test func keepGoingBuildsWhatDoesNotNeedTheFailedOne() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try write(
                workspace,
                "images:\n" + image("run: ['false']") + image(named: "child", parent: ":app", "run: ['true']")
                    + image(named: "other", "run: ['sleep 0.5; echo other > /srv/other']"))
            let labels = ["app", "child", "other"].map { "//\(folder):\($0)" }
            let built = try await host.dish(
                "image", "build", labels[0], labels[1], labels[2], "--keep-going", in: workspace.path)
            #expect(built.code == 1)
            #expect(built.errors.contains("\(labels[0]): FAILED"), "\(built)")
            #expect(built.errors.contains("\(labels[1]): skipped, it needs \(labels[0])"), "\(built)")
            #expect(built.errors.contains("\(labels[2]): built layer"), "\(built)")
        }

        @Test func explainNamesTheInputAndTheFilesThatChanged() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            let text = "images:\n" + image("files: [{path: /srv/page, source: page}]")
            try write(workspace, text)
            try workspace.write("\(folder)/page", "one\n")
            #expect(try await host.dish("image", "build", label, in: workspace.path).code == 0)
            try workspace.write("\(folder)/page", "two, longer\n")
            #expect(try await host.dish("image", "build", label, in: workspace.path).code == 0)
            let explained = try await host.dish("image", "explain", label, in: workspace.path)
            #expect(explained.code == 0, "\(explained)")
            #expect(explained.output.contains("page"), "\(explained)")
            #expect(explained.output.contains("  ~ /srv/page (content) 12 B"), "\(explained)")
        }

        @Test func explainShowsFeaturesInWords() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try write(workspace, "images:\n" + image("files: [{path: /srv/a, text: one}, {path: /srv/b, text: b}]"))
            #expect(try await host.dish("image", "build", label, in: workspace.path).code == 0)
            try write(
                workspace, "images:\n" + image("files: [{path: /srv/a, text: two, mode: \"0600\"}]\n    run: ['true']"))
            #expect(try await host.dish("image", "build", label, in: workspace.path).code == 0)
            let explained = try await host.dish("image", "explain", label, in: workspace.path)
            #expect(explained.output.contains("  ~ file /srv/a: mode 0644, text one -> mode 0600, text two\n"), "\(explained)")
            #expect(explained.output.contains("  - file /srv/b group root, mode 0644, owner root, text b\n"), "\(explained)")
            #expect(explained.output.contains("  + run step 1 script true\n"), "\(explained)")
        }

        @Test func aChangedFileDoesNotInstallThePackagesAgain() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try Pool(at: await BuildEnginePool.shared.path())
            let workspace = try TestWorkspace()
            let user = "users: [{name: keeper}]"
            func images(_ text: String) -> String {
                "images:\n" + image("packages: [less]\n    files: [{path: /srv/page, text: \(text)}]\n    \(user)")
                    + image(named: "other", "packages: [less]\n    \(user)")
            }
            func layersOfPackages() throws -> [Layer] { try pool.allLayers().filter { $0.label == "\(label)+packages" } }
            try write(workspace, images("one"))
            let first = try await host.dish("image", "build", label, in: workspace.path)
            #expect(first.errors.contains("\(label): install 1 packages"), "\(first)")
            let made = try #require(try layersOfPackages().first)
            #expect(try TreeDigest(of: pool.root(of: made.id)).id == made.id)
            #expect(try Subvolume.info(pool.root(of: made.id)).isReadOnly)
            // Another file, and another image with the same packages.
            try write(workspace, images("two"))
            for label in [label, "//\(folder):other"] {
                let again = try await host.dish("image", "build", label, in: workspace.path)
                #expect(again.errors.contains("\(label): go on from its packages, layer \(made.id.short)"), "\(again)")
                #expect(!again.errors.contains("install 1 packages"), "\(again)")
            }
            let second = try pool.resolve(label)
            #expect(second.packages == made.id)
            #expect(second.parent == made.parent)
            let explained = try await host.dish("image", "explain", label, in: workspace.path)
            #expect(explained.output.contains("  ~ file /srv/page: text one -> text two"), "\(explained)")
            #expect(explained.output.contains("its packages were not installed again"), "\(explained)")
            // Built again, all of it is.
            let verified = try await host.dish("image", "build", label, "--verify", "1", in: workspace.path)
            #expect(verified.code == 0, "\(verified)")
            #expect(verified.errors.contains("\(label): install 1 packages"), "\(verified)")
            #expect(verified.errors.contains("\(label): built again, gives layer \(second.id.short) again"), "\(verified)")
            // It stays as long as something was made from it.
            #expect(try await host.dish("image", "rm", "//\(folder):other", second.id.hex).code == 0)
            #expect(try layersOfPackages().map(\.id) == [made.id])
            let old = try #require(try pool.allLayers().first { $0.label == label })
            #expect(try await host.dish("image", "rm", old.id.hex).code == 0)
            #expect(try layersOfPackages() == [])
            let afresh = try await host.dish("image", "build", label, in: workspace.path)
            #expect(afresh.errors.contains("\(label): install 1 packages"), "\(afresh)")
            #expect(try pool.resolve(label).id == second.id)
        }

        @Test func aFailedStepAfterThePackagesDoesNotInstallThemAgain() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try write(workspace, "images:\n" + image("packages: [ed]\n    run: ['exit 3']"))
            #expect(try await host.dish("image", "build", label, in: workspace.path).code == 1)
            try write(workspace, "images:\n" + image("packages: [ed]\n    run: ['test -x /bin/ed']"))
            let again = try await host.dish("image", "build", label, in: workspace.path)
            #expect(again.code == 0, "\(again)")
            #expect(again.errors.contains("\(label): go on from its packages"), "\(again)")
        }

        @Test func aStepThatTakesLongerThanItsOwnTimeoutKeepsWhatItFound() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try Pool(at: await BuildEnginePool.shared.path())
            let workspace = try TestWorkspace()
            try write(workspace, "images:\n" + image("run: ['touch /srv/before', {script: sleep 100, timeout: 1s}]"))
            let failed = try await host.dish("image", "build", label, in: workspace.path)
            #expect(
                failed.errors.contains("the run step failed: it took longer than its timeout of 1 s and was stopped"), "\(failed)"
            )
            let looked = try await host.dish(
                "image", "shell", "--failed", label, "--", "/bin/sh", "-c", "ls /srv; cat /run/dish-step", in: workspace.path)
            #expect(looked.output == "before\n#!/bin/sh -e\nsleep 100\n", "\(looked)")
            // Two weeks later nobody wants to know.
            let kept = try #require(try Files.list("\(pool.path)/failed").first { $0.contains(folder) })
            let path = "\(pool.path)/failed/\(kept)/failure.json"
            for (age, isKept) in [("13 days ago", true), ("15 days ago", false)] {
                _ = try await Command("/bin/touch", ["--date", age, path]).run()
                #expect(try await host.dish("image", "build", "//os:base", in: workspace.path).code == 0)
                #expect(try pool.failedLabels().contains(label) == isKept)
            }
            #expect(try Files.list("\(pool.path)/staging") == [])
        }

        @Test func aFailedStepKeepsWhatItFoundUntilTheTargetIsBuilt() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try Pool(at: await BuildEnginePool.shared.path())
            let workspace = try TestWorkspace()
            try write(workspace, "images:\n" + image("run: ['echo before > /srv/before', 'touch /srv/during; exit 7']"))
            let failed = try await host.dish("image", "build", label, in: workspace.path)
            #expect(failed.errors.contains("exit code 7"), "\(failed)")
            let looked = try await host.dish(
                "image", "shell", "--failed", label, "--", "/bin/sh", "-c",
                "cat /srv/before; test ! -e /srv/during; cat /run/dish-step; /run/dish-step; echo ended $?", in: workspace.path)
            #expect(looked.code == 0, "\(looked)")
            #expect(looked.output.contains("before\n"), "\(looked)")
            #expect(looked.output.contains("touch /srv/during; exit 7"), "\(looked)")
            #expect(looked.output.contains("ended 7"), "\(looked)")
            let ran = try await host.dish("image", "what-ran", label, in: workspace.path)
            #expect(ran.output.contains("/bin/sh -e -c 'touch /srv/during; exit 7'"), "\(ran)")
            #expect(try pool.failedLabels().contains(label))
            try write(workspace, "images:\n" + image("run: ['echo fine > /srv/fine']"))
            #expect(try await host.dish("image", "build", label, in: workspace.path).code == 0)
            #expect(try !pool.failedLabels().contains(label))
            #expect(try Files.list("\(pool.path)/staging") == [])
        }

        @Test func whatRanIsAScriptThatRunsByHand() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try Pool(at: await BuildEnginePool.shared.path())
            let workspace = try TestWorkspace()
            try write(workspace, "images:\n" + image("run: [\"echo 'it is' \\\"$(hostname)\\\" > /srv/made\"]"))
            #expect(try await host.dish("image", "build", label, in: workspace.path).code == 0)
            let ran = try await host.dish("image", "what-ran", label, in: workspace.path)
            let script = try Scratch.make("script") + "/again"
            try Files.replace(script, with: ran.output.utf8)
            let staged = try StagingDirectory(in: pool)
            let base = try pool.resolve("//os:base").id
            let copied = try await Command("/bin/btrfs", ["subvolume", "snapshot", pool.root(of: base), staged.root]).run()
            try #require(copied.status.isSuccess, "\(copied.errorText)")
            let again = try await Command("/bin/sh", [script, staged.root]).run()
            #expect(again.status.isSuccess, "\(again.errorText)")
            #expect(try Files.readText("\(staged.root)/srv/made") == "it is build\n")
        }

        @Test func diffShowsUsersUnitsAndFiles() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try write(
                workspace,
                "images:\n"
                    + image(
                        """
                        users: [{name: keeper, uid: 4000}]
                            systemd:
                              units: [{name: keep.service, text: "[Service]\\nExecStart=/bin/true\\n"}]
                            run: ['head -c 300000 /dev/zero > /srv/big', 'rm /etc/motd']
                        """))
            let built = try await host.dish("image", "build", label, in: workspace.path)
            #expect(built.code == 0, "\(built)")
            let difference = try await host.dish("image", "diff", label, in: workspace.path)
            #expect(difference.output.contains("users:\n  + keeper x:4000:4000:"), "\(difference)")
            #expect(difference.output.contains("units:\n  + /etc/systemd/system/keep.service"), "\(difference)")
            #expect(difference.output.contains("  + /srv/big 293 KiB"), "\(difference)")
            #expect(difference.output.contains("  - /etc/motd"), "\(difference)")
            let usage = try await host.dish("image", "du", label, "-n", "1", in: workspace.path)
            #expect(usage.output.contains("files:\n    293 KiB  /srv/big"), "\(usage)")
        }

        @Test func queriesFollowTheGraphBothWays() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try write(workspace, "images:\n" + image("run: ['true']") + image(named: "child", parent: ":app", "run: ['true']"))
            let needs = try await host.dish("image", "query", "deps", "//\(folder):child", in: workspace.path)
            #expect(needs.output == "//os:base\n\(label)\n//\(folder):child\n")
            let needed = try await host.dish("image", "query", "rdeps", "//os:base", "--output", "dot", in: workspace.path)
            #expect(needed.output.contains("  \"//\(folder):child\" -> \"\(label)\";"), "\(needed)")
        }
    }
}
