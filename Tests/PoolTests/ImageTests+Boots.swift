import Fixtures
import FoundationEssentials
import Linux
import Testing

/// Tests of images that boot them.
extension ImageTests {
    @Test func aBootedCommandNeedsNoOtherProgramOfTheImage() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try workspace(
            """
            - name: boots
              boot: {}
              commands:
                - {command: [id, -un], user: deploy, stdout: {equals: "deploy\\n"}}
                - {command: [id, -nG], user: deploy, stdout: {equals: "deploy operators\\n"}}
                - {command: [setpriv], exit_code: 1}
            """,
            features: """
                    groups: [{name: operators}]
                    users: [{name: deploy, groups: [operators]}]
                    remove: [/usr/bin/setpriv]
                """)
        let tested = try await host.dish("image", "test", "//tested:app", "--json", in: workspace.path)
        let messages = try #require(try tested.tests()["//tested:app boots"], "\(tested)").messages
        #expect(
            messages == [
                "tested/IMAGES.yaml:10:13: expected 'setpriv' to run, but there is no 'setpriv' in the booted image; it was looked for in /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            ])
    }

    @Test func aBootThatGoesWrongSaysHow() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try workspace(
            """
            - {name: fails, boot: {units: [broken.service]}}
            - {name: unknown, boot: {units: [unknown.service]}}
            - {name: inactive, boot: {units: [once.service]}}
            - {name: slow, boot: {units: [slow.service], timeout: 5s}}
            - {name: ends, boot: {}, commands: [{script: "systemctl poweroff --force --force; sleep 60"}]}
            - {name: command, boot: {}, commands: ["true", "false"]}
            - {name: stranger, boot: {}, commands: [{script: "true", user: stranger}]}
            - {name: endless, boot: {}, commands: [{script: sleep 100, timeout: 1s}]}
            """,
            features: """
                    systemd:
                      units:
                        - {name: broken.service, enable: true, text: "\(Self.service("/bin/sh -c 'echo it is broken; exit 3'"))"}
                        - {name: once.service, enable: true, text: "\(Self.service("/bin/true"))"}
                        - {name: slow.service, text: "\(Self.service("/bin/sleep 100"))"}
                """)
        #expect(try await host.dish("image", "build", "//tested:app", in: workspace.path).code == 0)
        let before = try Inventory(pool: #require(host.pool), of: host)
        let tested = try await host.dish("image", "test", "//tested:app", "--json", in: workspace.path)
        #expect(tested.code == 1)
        #expect(try Inventory(pool: #require(host.pool), of: host).beyond(before) == [])
        let rows = try tested.tests()
        func message(_ test: String) throws -> String {
            let row = try #require(rows["//tested:app \(test)"], "\(tested)")
            #expect(row.messages.count == 1, "\(row)")
            return try #require(row.messages.first).replacing("tested/IMAGES.yaml:", with: "")
        }
        let failed = try message("fails")
        #expect(
            failed.hasPrefix("5:29: expected the unit broken.service to be active, but it is failed (failed):\n"), "\(failed)")
        #expect(failed.contains("it is broken"), "\(failed)")
        #expect(
            try message("unknown").hasPrefix("6:31: expected the unit unknown.service to be active, but it is not-found"))
        #expect(
            try message("inactive").hasPrefix("7:32: expected the unit once.service to be active, but it is inactive (dead)"))
        let ended = try message("ends")
        #expect(ended.hasPrefix("9:43: expected 'systemctl poweroff --force --force; sleep 60' to end with"), "\(ended)")
        #expect(
            try message("command") == "10:54: expected 'false' to end with exit code 0, but it ended with exit code 1")
        #expect(
            try message("stranger")
                == "11:47: expected 'true' to run, but there is no user 'stranger' in the booted image; its users are in its /etc/passwd, and a number does too"
        )
        #expect(try message("endless") == "12:46: expected 'sleep 100' to end within 1 s, but it ran on and was ended")
        // It isn't enabled, so it is never started.
        #expect(try message("slow").hasPrefix("8:28: expected the unit slow.service to be active, but it is inactive (dead)"))
        #expect(rows["//tested:app command"]?.output.contains("Reached target") == true)
    }

    private static func service(_ command: String) -> String {
        #"[Service]\nType=oneshot\nExecStart=\#(command)\n[Install]\nWantedBy=multi-user.target\n"#
    }

    @Test func aBootThatTakesTooLongTellsWhatItWaitsFor() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try workspace(
            "- {name: slow, boot: {units: [slow.service], timeout: 6s}}",
            features: """
                    systemd:
                      units: [{name: slow.service, enable: true, text: "\(Self.service("/bin/sleep 100"))"}]
                """)
        let tested = try await host.dish("image", "test", "//tested:app", "--json", in: workspace.path)
        let message = try #require(try tested.tests()["//tested:app slow"]?.messages.first)
        #expect(
            message.hasPrefix(
                "tested/IMAGES.yaml:5:28: expected the system to have started and slow.service to be active within 6 s, but the system is starting, slow.service activating (start); its jobs are:\n"
            ), "\(message)")
        #expect(message.contains("slow.service"), "\(message)")
    }

    @Test func aBootThatEndsByItselfShowsItsConsole() async throws {
        let host = try await SharedPool.shared.host()
        let workspace = try workspace(
            "- {name: ends, boot: {}}",
            features: """
                    systemd:
                      units: [{name: off.service, enable: true, text: "\(Self.service("/bin/systemctl poweroff --force"))"}]
                """)
        let tested = try await host.dish("image", "test", "//tested:app", "--json", in: workspace.path)
        let message = try #require(try tested.tests()["//tested:app ends"]?.messages.first)
        #expect(
            message.hasPrefix(
                "tested/IMAGES.yaml:5:28: expected the image to boot, but it ended with exit code 0; its console shows:\n"),
            "\(message)")
    }
}
