import Glibc
import Linux

/// Whether this host can give tasks IPv6 addresses. Looking changes nothing.
public enum IPv6Support {
    private static let settings = "/proc/sys/net/ipv6/conf"

    /// Why it can't; nil when it can.
    public static func obstacle() -> String? {
        guard Files.isDirectory(settings) else { return "the kernel has no IPv6, or was started with ipv6.disable=1" }
        for scope in ["all", "default"] where value("\(scope)/disable_ipv6") == "1" {
            return "net.ipv6.conf.\(scope).disable_ipv6 is 1"
        }
        guard let nft = Executable.find("nft") else { return "nft is not installed" }
        let script = "add table ip6 dish-probe\nadd chain ip6 dish-probe nat { type nat hook postrouting priority srcnat; }\n"
        var command = Command(nft, Arguments().flag("check").words("-f", "-"))
        command.input = Array(script.utf8)
        guard let answer = try? command.runBlocking(), answer.status.isSuccess else {
            return "the kernel takes no address translation for IPv6 (nftables)"
        }
        return nil
    }

    /// Whether the kernel hands frames on a bridge to the firewall before they have arrived (`br_netfilter`): then ports that are
    /// published on [::1] don't answer, those on other addresses do.
    public static var filtersBridges: Bool {
        ((try? Files.readText("/proc/sys/net/bridge/bridge-nf-call-ip6tables")) ?? "").first == "1"
    }

    /// Lets the host forward packets, if it doesn't yet. Routes that routers advertise stay: for hosts that forward, that must be said.
    ///
    /// - Parameter bridge: no advertisement counts there, where only tasks are.
    /// - Returns: whether it didn't.
    static func forward(but bridge: String) throws -> Bool {
        try Files.set("\(settings)/\(bridge)/accept_ra", "0")
        if value("all/forwarding") == "1" { return false }
        for name in try Files.list(settings) where name != bridge && name != "all" && name != "default" {
            if value("\(name)/accept_ra") == "1" { try? Files.set("\(settings)/\(name)/accept_ra", "2") }
        }
        try Files.set("\(settings)/all/forwarding", "1")
        return true
    }

    private static func value(_ name: String) -> String? {
        (try? Files.readText("\(settings)/\(name)")).map { $0.filter { !$0.isWhitespace } }
    }
}
