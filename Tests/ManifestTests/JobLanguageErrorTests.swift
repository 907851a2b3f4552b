import Manifest
import Testing

/// Every mistake in a file of jobs has one message, with its place.
struct JobLanguageErrorTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        let yaml: String
        let message: String

        init(_ yaml: String, _ message: String) {
            self.yaml = yaml
            self.message = message
        }

        var testDescription: String { message }
    }

    private static let keys =
        "name, image, pull, replicas, command, environment, user, directory, network, publish, volumes, allowed_mounts, secrets, limits, class, best_effort, user_namespace, security, capabilities, restart, health, stop, update, depends_on, without_scheduler"

    /// Of a whole file.
    static let files: [Mistake] = [
        Mistake("", "f:1:1: the file is empty; it needs the key 'jobs'"),
        Mistake("{}", "f:1:1: the file needs the key 'jobs'"),
        Mistake("- a", "f:1:1: the file must be a mapping with the keys jobs, not a list"),
        Mistake("job: []", "f:1:1: unknown key 'job' in the file; did you mean 'jobs'? (known: jobs)"),
        Mistake("jobs: {}", "f:1:7: 'jobs' must be a list, not a mapping"),
        Mistake("jobs: [web]", "f:1:8: a job must be a mapping with the keys \(keys), not 'web'"),
        Mistake("jobs: [{image: a}]", "f:1:8: a job needs the key 'name'"),
        Mistake("jobs: [{name: a}]", "f:1:8: a job needs the key 'image'"),
        Mistake(
            "jobs:\n  - {name: a, image: b}\n  - {name: a, image: b}",
            "f:3:12: the job 'a' is there twice; the first time at f:2:12"),
        Mistake(
            "jobs:\n  - {name: a, image: i, publish: ['80:1']}\n  - {name: b, image: i, publish: ['127.0.0.1:80:2']}",
            "f:3:35: '127.0.0.1:80:2' wants the same port of the host as '80:1' at f:2:35"),
        Mistake(
            "jobs:\n  - {name: a, image: i, depends_on: [b]}\n  - {name: b, image: i, depends_on: [{job: a}]}",
            "f:3:44: the jobs wait for each other: a -> b -> a"),
        Mistake("jobs: [", "f:2:1: not valid YAML: did not find expected node content"),
    ]

    /// Of a job: what follows in `{name: a, image: i, `.
    static let bodies: [Mistake] = [
        Mistake("replica: 3", "28: unknown key 'replica' in a job; did you mean 'replicas'? (known: \(keys))"),
        Mistake("replicas: many", "38: 'replicas' must be a whole number from 0 to 1000, not 'many'"),
        Mistake("replicas: 1001", "38: 'replicas' must be a whole number from 0 to 1000, not '1001'"),
        Mistake("command: sleep", "37: 'command' must be a list, not 'sleep'"),
        Mistake("command: []", "37: 'command' can't be empty; leave it out"),
        Mistake("environment: [A]", "41: 'environment' must be a mapping of names to texts, not a list"),
        Mistake("environment: {A=: b}", "42: 'A=' can't be a variable's name"),
        Mistake("environment: {A: [b]}", "45: 'A' must be a text, not a list"),
        Mistake("directory: tmp", "39: 'directory' must be an absolute path, not 'tmp'"),
        Mistake("network: bridge", "37: 'network' must be private, host or none, not 'bridge'"),
        Mistake("publish: 80", "37: 'publish' must be a list, not '80'"),
        Mistake(
            "publish: ['80']",
            "38: '80': it needs a port of the host and one of the task; write HOST:TASK, like 8080:80, 127.0.0.1:8080:80, [::1]:8080:80 or 53:53/udp"
        ),
        Mistake(
            "publish: ['0:80']",
            "38: '0:80': '0' is not a port from 1 to 65535; write HOST:TASK, like 8080:80, 127.0.0.1:8080:80, [::1]:8080:80 or 53:53/udp"
        ),
        Mistake(
            "publish: ['300.0.0.1:80:80']",
            "38: '300.0.0.1:80:80': '300.0.0.1' is not an IPv4 address, or an IPv6 address in brackets; write HOST:TASK, like 8080:80, 127.0.0.1:8080:80, [::1]:8080:80 or 53:53/udp"
        ),
        Mistake(
            "network: host, publish: ['80:80']",
            "53: a job with the network 'host' has no ports to publish; only a private network has"),
        Mistake("volumes: ['data']", "38: 'data' is no volume for a task; write NAME:/path or NAME:/path:ro"),
        Mistake("volumes: ['data:srv']", "38: 'data:srv' is no volume for a task; write NAME:/path or NAME:/path:ro"),
        Mistake("allow_mounts: [etc]", "43: an entry of 'allow_mounts' must be an absolute path, not 'etc'"),
        Mistake("limits: {cpu: 0}", "42: 'cpu' must be a number of CPUs from 0.001 to 100000, not '0'"),
        Mistake("limits: {memory: lots}", "45: 'memory' must be a size like 512M or 2G, not 'lots'"),
        Mistake("limits: {pids: 0}", "43: 'pids' must be a whole number from 1 to 4194304, not '0'"),
        Mistake("limits: {cpu_weight: 0}", "49: 'cpu_weight' must be a whole number from 1 to 10000, not '0'"),
        Mistake("limits: {cpuset: 3-1}", "45: 'cpuset' must be a list of CPUs like 0-3,6, not '3-1'"),
        Mistake("class: gold", "35: 'class' must be guaranteed, burstable or best-effort, not 'gold'"),
        Mistake("best_effort: yes", "41: 'best_effort' must be true or false, not 'yes'"),
        Mistake("security: tight", "38: 'security' must be default, confined or system, not 'tight'"),
        Mistake("capabilities: {add: [a-b]}", "49: an entry of 'add' must be a capability like SYS_PTRACE, not 'a-b'"),
        Mistake("restart: sometimes", "37: 'restart' must be no, on-failure or always, not 'sometimes'"),
        Mistake("restart: {mode: always, delay: soon}", "59: 'delay' must be a time like 90s, 10m or 2h, not 'soon'"),
        Mistake("health: [{}]", "37: an entry of 'health' needs 'command', 'http', 'tcp' or 'unit'"),
        Mistake("health: [{tcp: 80, unit: a.service}]", "53: an entry of 'health' can't have both 'tcp' and 'unit'"),
        Mistake("health: [{tcp: 0}]", "43: 'tcp' must be a whole number from 1 to 65535, not '0'"),
        Mistake("health: [{command: []}]", "47: 'command' can't be empty; leave it out"),
        Mistake("health: [{http: {port: 80, path: x}}]", "61: 'path' must begin with '/' and have no blanks, not 'x'"),
        Mistake("health: [{unit: nginx}]", "44: 'unit' must be a unit's name, like nginx.service, not 'nginx'"),
        Mistake(
            "health: [{tcp: 80, purpose: alive}]", "56: 'purpose' must be startup, liveness or readiness, not 'alive'"),
        Mistake(
            "stop: {signal: END}",
            "43: 'signal' must be a signal like SIGTERM, not 'END'"
        ),
        Mistake("stop: {timeout: 0x}", "44: 'timeout' must be a time like 90s, 10m or 2h, not '0x'"),
        Mistake("update: {batch: 0}", "44: 'batch' must be a whole number from 1 to 1000, not '0'"),
        Mistake("update: {order: rolling}", "44: 'order' must be start-first or stop-first, not 'rolling'"),
        Mistake(
            "depends_on: [a b]",
            "41: 'a b' can't be a job's name: use letters, digits and dashes, 56 at most, not a dash first or last"),
        Mistake("depends_on: [{condition: ready}]", "41: an entry of 'depends_on' needs the key 'job'"),
        Mistake("depends_on: [{job: b, condition: healthy}]", "61: 'condition' must be started or ready, not 'healthy'"),
        Mistake("depends_on: [b, b]", "44: the dependency on 'b' is there twice; the first time at f:1:41"),
        Mistake("depends_on: [a]", "41: the job 'a' depends on itself"),
        Mistake("without_scheduler: stop", "47: 'without_scheduler' must be 'keep' or a mapping, not 'stop'"),
        Mistake("without_scheduler: {}", "47: 'without_scheduler' needs the key 'stop_after'"),
    ]

    private func message(_ yaml: String) -> String {
        do {
            _ = try JobFile(yaml, file: "f")
            return "no error"
        } catch {
            return error.description
        }
    }

    @Test(arguments: files) func aFileWithAMistakeSaysWhatAndWhere(_ mistake: Mistake) {
        #expect(message(mistake.yaml) == mistake.message)
    }

    @Test(arguments: bodies) func aJobWithAMistakeSaysWhatAndWhere(_ mistake: Mistake) {
        #expect(message("jobs: [{name: a, image: i, \(mistake.yaml)}]") == "f:1:\(mistake.message)")
    }

    @Test(arguments: ["-a", "a-", "a_b", "", String(repeating: "a", count: 57)])
    func aNameThatReplicasCantHaveIsRefused(_ name: String) {
        #expect(
            message("jobs: [{name: '\(name)', image: i}]")
                == "f:1:15: '\(name)' can't be a job's name: use letters, digits and dashes, 56 at most, not a dash first or last"
        )
    }

    @Test func anImageHasNoBlanks() {
        #expect(
            message("jobs: [{name: a, image: 'a b'}]")
                == "f:1:25: 'image' must be a label, a name or a layer id without blanks, not 'a b'")
    }
}
