import Fixtures
import Foundation
import Glibc
import Linux
import Testing

/// Packages of Debian's servers, as they come: they are built, booted, and run.
extension BuildEngine {
    @Suite struct ServerImageTests {
        /// The example's images on the test's `//os:base`.
        private func workspace() throws -> TestWorkspace {
            let workspace = try TestWorkspace()
            try workspace.write("servers/IMAGES.yaml", try Files.readText("\(Programs.repository)/examples/servers/IMAGES.yaml"))
            return workspace
        }

        private func expectRuns(_ servers: [(package: String, unit: String)]) async throws {
            let host = try await BuildEnginePool.shared.host()
            let labels = servers.map { "//servers:server[package=\($0.package),unit=\($0.unit)]" }
            let tested = try await host.dish(arguments: ["image", "test", "--json", "-j", "3"] + labels, in: workspace().path)
            let rows = try tested.tests()
            for label in labels {
                let row = rows["\(label) runs"]
                #expect(row?.passed == true, "\(label): \(row?.messages ?? [tested.errors])")
            }
        }

        @Test func theObviousImagesRun() async throws {
            try await expectRuns([
                ("nginx", "nginx.service"), ("openssh-server", "ssh.service"), ("postgresql", "postgresql@15-main.service"),
                ("mariadb-server", "mariadb.service"), ("docker.io", "docker.service"), ("cron", "cron.service"),
                ("rsyslog", "rsyslog.service"),
            ])
        }

        /// Databases and Java's certificates: with the example's recipes they are the same each time.
        @Test func recipesMakePackagesThatDifferReproducible() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try workspace()
            let labels = ["postgresql", "mariadb", "java"].map { "//servers:\($0)" }
            let tested = try await host.dish(arguments: ["image", "test"] + labels, in: workspace.path)
            try #require(tested.code == 0, "\(tested)")
            let verified = try await host.dish(arguments: ["image", "build", "--verify"] + labels, in: workspace.path)
            #expect(verified.code == 0, "\(verified)")
            for label in labels { #expect(verified.errors.contains("\(label): built again, gives layer "), "\(verified)") }
        }

        /// As in a task with a network, whose addresses and rules are not its own to change.
        @Test func dockerRunsWhereItCannotChangeTheNetwork() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try workspace()
            try workspace.write(
                "docker/IMAGES.yaml",
                """
                images:
                  - name: docker
                    parent: //os:base
                    packages: [docker.io]
                    systemd:
                      drop_ins:
                        - unit: docker.service
                          text: |
                            [Service]
                            CapabilityBoundingSet=~CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE
                    tests:
                      - name: runs
                        boot: {units: [docker.service], timeout: 3m}
                        commands:
                          - systemctl restart docker.service; docker info
                """)
            let tested = try await host.dish("image", "test", "//docker:docker", in: workspace.path)
            #expect(tested.code == 0, "\(tested)")
        }

        @Test func eachTaskHasHostKeysOfItsOwn() async throws {
            let host = try await BuildEnginePool.shared.host()
            let label = "//servers:server[package=openssh-server,unit=ssh.service]"
            let built = try await host.dish("image", "build", label, in: workspace().path)
            try #require(built.code == 0, "\(built)")
            try await host.withAgent { _ in
                var keys: Set<String> = []
                for name in ["first", "second"] {
                    let started = try await host.dish("run", "--detach", "--name", name, label)
                    try #require(started.code == 0, "\(started)")
                    var state = Outcome(code: 1, output: "", errors: "")
                    for _ in 0..<600 where state.text != "active" {
                        try await Task.sleep(for: .milliseconds(100))
                        state = try await host.dish("exec", name, "systemctl", "is-active", "ssh.service")
                    }
                    #expect(state.text == "active", "\(state)")
                    let key = try await host.dish("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
                    #expect(key.text.hasPrefix("ssh-ed25519 "), "\(key)")
                    keys.insert(key.text)
                    // It is made once.
                    let again = try await host.dish("exec", name, "systemctl", "restart", "ssh.service")
                    #expect(again.code == 0, "\(again)")
                    #expect(try await host.dish("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").text == key.text)
                }
                #expect(keys.count == 2)
            }
        }

        /// `make soak`: further packages, with what each waits for.
        @Test(.enabled(if: getenv("DISH_SOAK") != nil, "runs with make soak"), arguments: SoakedServer.all)
        func aServerOfDebianRuns(_ server: SoakedServer) async throws {
            try await expectRuns([(server.package, server.unit)])
        }
    }
}

/// A package of the long list.
struct SoakedServer: Sendable, CustomTestStringConvertible {
    let package: String
    let unit: String

    var testDescription: String { package }

    private init(_ package: String, _ unit: String? = nil) {
        self.package = package
        self.unit = unit ?? "\(package).service"
    }

    /// Widely installed servers, beside the seven of the suite.
    static let all: [SoakedServer] = [
        .init("apache2"), .init("avahi-daemon"), .init("bind9", "named.service"), .init("cups"),
        .init("dnsmasq"), .init("dovecot-imapd", "dovecot.service"), .init("exim4-daemon-light", "exim4.service"),
        .init("haproxy"), .init("lighttpd"), .init("memcached"), .init("monit"),
        .init("mosquitto"), .init("munin-node"), .init("nagios-nrpe-server"), .init("opendkim"),
        .init("openvpn"), .init("php-fpm", "php8.2-fpm.service"), .init("postfix"), .init("proftpd-core", "proftpd.service"),
        .init("prometheus"), .init("prometheus-node-exporter"), .init("rabbitmq-server"), .init("redis-server"),
        .init("rpcbind"), .init("slapd"), .init("snmpd"), .init("squid"), .init("supervisor"), .init("tomcat10"),
        .init("tor", "tor@default.service"), .init("varnish"), .init("vsftpd"), .init("zabbix-agent"),
    ]
}
