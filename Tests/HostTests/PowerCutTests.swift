import AgentAPI
import Fixtures
import FoundationEssentials
import Glibc
import Testing

extension Machine {
    /// The machine loses its power while tasks and jobs come, change and go (docs/failures.md, "Proof").
    struct PowerCutTests {
        /// How often; without `DISH_POWER_CUTS` the single cut of `AgentUnitTests` has to do.
        private static let cuts = getenv("DISH_POWER_CUTS").flatMap { Int(String(cString: $0)) } ?? 0

        /// Asks for something at random, without an end.
        private static let turmoil = """
            cat > /root/turmoil <<'END'
            RANDOM=$1
            job() { printf 'jobs: [{name: work, image: //os:base, network: none, replicas: %s, command: [/bin/sleep, "86400"], environment: {V: "%s"}, stop: {drain: 1s, timeout: 1s}}]\\n' $1 $2; }
            while :; do
              task=p$((RANDOM % 3))
              case $((RANDOM % 10)) in
                0) dish stop -t 0 $task;;
                1) dish restart -t 0 $task;;
                2) dish rm --force $task;;
                3) dish start $task;;
                4) dish snapshot $task s$RANDOM;;
                5) dish rollback $task --timeout 0;;
                6) job $((RANDOM % 3)) $((RANDOM % 2)) | dish job apply - --detach;;
                7) dish run --rm --network none //os:base -- /bin/true;;
                *) dish run -d --name $task --restart always --network none //os:base -- /bin/sleep 86399;;
              esac
            done >/dev/null 2>&1 </dev/null
            END
            setsid bash /root/turmoil $1 >/dev/null 2>&1 </dev/null &
            """

        /// What there is of tasks that the agent doesn't know, and what it can't read.
        private static let strays = """
            ids=$(dish ps --json | sed -n 's/.*"id" : "\\(.*\\)".*/\\1/p')
            for path in /pool/tasks/* /var/lib/dish/tasks/* /run/dish/tasks/*; do
              test -e $path || continue
              case " $(echo $ids) " in *" ${path##*/} "*) ;; *) echo stray $path;; esac
            done
            for helper in $(pgrep -f '/dish-helper /run/dish/tasks/'); do
              id=$(tr '\\0' '\\n' < /proc/$helper/cmdline | sed -n 's|^/run/dish/tasks/\\(.*\\)/spec-.*|\\1|p')
              case " $(echo $ids) " in *" $id "*) ;; *) echo stray helper $id;; esac
            done
            pgrep -f '/dish-helper /run/dish/tasks/' -a | sed 's|.*/tasks/\\([0-9a-f]*\\)/.*|\\1|' | sort | uniq -d | sed 's/^/twice /'
            ls -d /var/lib/dish/damaged/* /pool/tasks/*/*.damaged 2>/dev/null
            true
            """

        private func strays(_ machine: TestMachine) async throws -> String {
            var found = ""
            for _ in 0..<40 {
                found = try await machine.run(Self.strays).text
                if found.isEmpty { break }
                try await Task.sleep(for: .milliseconds(500))
            }
            return found
        }

        @Test(.enabled(if: cuts > 0, "cuts at random moments take a minute each: DISH_POWER_CUTS=50"))
        func whatIsWantedIsReachedAfterEachPowerCutAndNothingHalfDoneIsSeen() async throws {
            try await Machine.use { machine in
                for cut in 1...max(1, Self.cuts) {
                    let script = Self.turmoil.replacing("$1 >", with: "\(Int.random(in: 1...32000)) >")
                    #expect(try await machine.run(script).code == 0)
                    try await Task.sleep(for: .milliseconds(Int.random(in: 500...6000)))
                    await machine.powerCut()
                    try await machine.boot()
                    let up = try await machine.run("systemctl start dishd && dish ps")
                    let start = try await machine.run("journalctl -b -u dishd -n 50").text
                    try #require(up.code == 0, "cut \(cut): \(up)\n\(start)")
                    // Those that shall run do, and those that shall not don't.
                    let settled = try await machine.run(
                        """
                        end=$((SECONDS + 60)) calm=0
                        while [ $calm -lt 3 ] && [ $SECONDS -lt $end ]; do
                          now=$(dish ps)
                          case $now in *preparing*|*starting*|*stopping*) calm=0;; *) calm=$((calm + 1));; esac
                          sleep 0.3
                        done
                        echo "$now"
                        """
                    )
                    let log = try await machine.run("journalctl -b -u dishd | tail -40").text
                    #expect(
                        !["preparing", "starting", "stopping"].contains(where: settled.output.contains),
                        "cut \(cut): \(settled)\n\(log)")
                    print("cut \(cut): \(settled.output.split(separator: "\n").count - 1) tasks")
                    let found = try await strays(machine)
                    #expect(found == "", "cut \(cut): \(settled)\n\(log)")
                    let wanted = try await machine.run(
                        """
                        for task in p0 p1; do
                          dish inspect $task >/dev/null 2>&1 && dish start $task || dish run -d --name $task --restart always --network none //os:base -- /bin/sleep 86399
                        done && dish rm --force p2; test ! -e /pool/tasks/none && dish ps && pgrep -c -x sleep
                        """)
                    #expect(wanted.code == 0, "cut \(cut): \(wanted)\n\(log)")
                    for name in ["p0", "p1"] { #expect(try await machine.inspect(name).state == .running, "cut \(cut)") }
                }
                print("\(max(1, Self.cuts)) power cuts: the wanted state was reached after each")
                let gone = try await machine.run(
                    "dish job rm work; for task in p0 p1 p2; do dish rm --force $task; done; dish ps --json")
                #expect(!gone.output.contains("\"name\""), "\(gone)")
                let found = try await strays(machine)
                #expect(found == "")
                #expect(try await machine.run("btrfs device stats --check /pool").code == 0)
            }
        }
    }

    /// The host's date is wrong for a while (docs/failures.md, "The clock").
    struct ClockTests {
        @Test func aDateThatIsSetAheadAndBackEndsNothingAndRemovesNothing() async throws {
            try await Machine.use { machine in
                // Logs are kept for seven days.
                let logged = try await machine.run(
                    "dish run --name logged --network none //os:base -- /bin/echo word && dish rm logged")
                try #require(logged.code == 0, "\(logged)")
                let bystander = try await machine.startBystander()
                let started = try await machine.run(
                    "dish run -d --name pauses --restart always --restart-backoff 8 --network none //os:base -- /bin/true; "
                        + "dish run -d --name checked --network none --health-cmd 'test ! -e /bad' --health-for readiness --health-interval 0.5 --health-failures 1 //os:base -- /bin/sleep 1000; "
                        + "for i in $(seq 100); do dish ps | grep -q 'running (ready)' && dish ps | grep -q restarting && break; sleep 0.1; done"
                )
                #expect(started.code == 0, "\(started)")
                let before = try await machine.inspect("pauses")
                for step in ["+8 days", "-16 days", "+8 days"] {
                    #expect(try await machine.run("date -s '\(step)'").code == 0)
                    // A new agent is told nothing of the jump; the first thing it does in the background is to look what is too old.
                    #expect(try await machine.run("systemctl restart dishd && sleep 5").code == 0)
                    #expect(try await machine.inspect("bystander").processes == bystander.processes, "\(step)")
                    #expect(try await machine.inspect("checked").state == .running, "\(step)")
                }
                // The pause of eight seconds lasts neither sixteen days nor no time.
                let restarts = try await machine.inspect("pauses").restarts ?? 0
                #expect((0...3).contains(restarts - (before.restarts ?? 0)), "\(restarts)")
                let again = try await machine.run(
                    "for i in $(seq 200); do test $(dish inspect pauses | sed -n 's/.*\"restarts\" : \\([0-9]*\\).*/\\1/p') -gt \(restarts) && exit; sleep 0.1; done; exit 1"
                )
                #expect(again.code == 0, "it isn't restarted any more")
                let spoiled = try await machine.run("dish exec checked -- touch /bad")
                #expect(spoiled.code == 0, "\(spoiled)")
                let health = try await machine.run(
                    "for i in $(seq 100); do dish ps | grep -q 'not ready' && exit; sleep 0.1; done; dish ps; dish events; exit 1"
                )
                #expect(health.code == 0, "its health isn't asked any more: \(health)")
                #expect(try await machine.run("dish logs logged").output.contains("word"))
                let sequences = try await machine.run("dish events --json | sed -n 's/.*\"sequence\":\\([0-9]*\\).*/\\1/p'").text
                    .split(separator: "\n").compactMap { Int($0) }
                #expect(zip(sequences, sequences.dropFirst()).allSatisfy { $0 + 1 == $1 })
            }
        }
    }
}
