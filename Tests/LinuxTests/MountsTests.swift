import Testing

@testable import Linux

@Suite struct MountsTests {
    @Test func aLineOfMountinfoIsRead() throws {
        let entry = try #require(
            Mounts.parse(#"36 35 98:0 /@/sub /mnt/my\040pool rw,noatime master:1 - btrfs /dev/loop0 rw,subvolid=256"#))
        #expect(entry.path == "/mnt/my pool")
        #expect(entry.type == "btrfs")
        #expect(entry.source == "/dev/loop0")
        #expect(entry.root == "/@/sub")
        #expect(entry.options == "rw,subvolid=256")
    }

    @Test func octalEscapesAreUndoneInAllFields() throws {
        let entry = try #require(
            Mounts.parse(#"1 2 0:1 /a\011b /tab\011line\012back\134slash\0401 rw - fuse my\040source rw"#))
        #expect(entry.path == "/tab\tline\nback\\slash 1")
        #expect(entry.root == "/a\tb")
        #expect(entry.source == "my source")
    }

    @Test func optionalFieldsMayBeMissingOrMany() {
        #expect(Mounts.parse("1 2 0:1 / /a rw - tmpfs tmpfs rw")?.path == "/a")
        #expect(Mounts.parse("1 2 0:1 / /a rw shared:1 master:2 propagate_from:3 unbindable - tmpfs t rw")?.source == "t")
    }

    @Test func anEmptySourceIsNoReasonToOverlookAMount() throws {
        let entry = try #require(Mounts.parse("1 2 0:1 / /a rw - tmpfs  rw,size=1k"))
        #expect(entry.source == "")
        #expect(entry.options == "rw,size=1k")
    }

    @Test(arguments: ["", "1 2 3", "1 2 0:1 / /a rw shared:1 tmpfs tmpfs rw", "1 2 0:1 / /a rw - tmpfs", #"\"#])
    func whatIsNoMountIsPassedOver(_ line: String) {
        #expect(Mounts.parse(Substring(line)) == nil)
    }

    @Test func whatIsMountedHereIsListed() throws {
        #expect(try Mounts.list().contains { $0.path == "/proc" && $0.type == "proc" })
        #expect(try Mounts.containing("/proc/self/status")?.type == "proc")
        #expect(try Mounts.containing("/procession")?.type != "proc")
    }
}
