import CLinux
import Glibc
import Linux

/// A secret that a package makes for the machine it is installed on. One that is in an image is no secret: whoever has the image has it.
/// So it is taken away, and each task makes its own when it is first booted.
public struct InstalledKey: Sendable, Equatable {
    /// A part of the name of the unit that makes it.
    public let name: String
    /// The files that the script makes; the first is what a boot looks for.
    public let creates: [String]
    /// For `/bin/sh -e`, in the booted task.
    public let script: String
    /// Units that need it; empty for any.
    public let before: [String]

    /// Directories of the image with the prefixes and suffixes of names of files that go.
    private let files: [(directory: String, prefix: String, suffix: String)]

    public static func == (left: Self, right: Self) -> Bool { left.name == right.name }

    public static let all = [
        InstalledKey(
            name: "ssh-host-keys", creates: ["/etc/ssh/ssh_host_ed25519_key"],
            // A key of RSA takes longer than the boot; who wants one has it in the configuration.
            script: """
                types="ed25519 ecdsa"
                if grep -Eqsi '^[[:space:]]*HostKey[[:space:]].*_rsa_' /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf; then
                    types="rsa $types"
                fi
                for type in $types; do
                    file=/etc/ssh/ssh_host_${type}_key
                    [ -s "$file" ] && continue
                    rm -f "$file.new" "$file.new.pub"
                    ssh-keygen -q -N '' -t "$type" -C "root@$(cat /proc/sys/kernel/hostname)" -f "$file.new"
                    mv "$file.new.pub" "$file.pub"
                    mv "$file.new" "$file"
                done
                """, before: ["ssh.service", "ssh@.service"],
            files: ["_key", "_key.pub", "_key-cert.pub"].map { ("etc/ssh", "ssh_host_", $0) }),
        InstalledKey(
            name: "ssl-cert-snakeoil",
            creates: ["/etc/ssl/private/ssl-cert-snakeoil.key", "/etc/ssl/certs/ssl-cert-snakeoil.pem"],
            script: "make-ssl-cert generate-default-snakeoil --force-overwrite", before: [],
            files: [("etc/ssl/private", "ssl-cert-snakeoil", ".key"), ("etc/ssl/certs", "ssl-cert-snakeoil", ".pem")]),
        InstalledKey(
            name: "bind-rndc-key", creates: ["/etc/bind/rndc.key"],
            script: "rndc-confgen -a -u bind", before: ["named.service"], files: [("etc/bind", "rndc", ".key")]),
        InstalledKey(
            name: "munge-key", creates: ["/etc/munge/munge.key"],
            script: """
                rm -f /etc/munge/munge.key
                setpriv --reuid=munge --regid=munge --clear-groups mungekey --create
                """, before: ["munge.service"], files: [("etc/munge", "munge", ".key")]),
        InstalledKey(
            name: "erlang-cookie", creates: ["/var/lib/rabbitmq/.erlang.cookie"],
            script: """
                file=/var/lib/rabbitmq/.erlang.cookie
                rm -f $file.new
                (umask 0377; od -A n -N 32 -t x1 /dev/urandom | tr -d ' \\n' > $file.new)
                chown rabbitmq:rabbitmq $file.new
                mv $file.new $file
                """, before: ["rabbitmq-server.service"], files: [("var/lib/rabbitmq", ".erlang.cookie", "")]),
        InstalledKey(
            name: "unbound-control-keys", creates: ["/etc/unbound/unbound_server.key", "/etc/unbound/unbound_control.key"],
            script: "unbound-control-setup", before: ["unbound.service"],
            files: [".key", ".pem"].map { ("etc/unbound", "unbound_", $0) }),
    ]

    /// Takes the files of all of them out of a root.
    ///
    /// - Returns: those of which there was one.
    static func remove(from root: borrowing OwnedFD) throws -> [InstalledKey] {
        var removed: [InstalledKey] = []
        for key in all where try key.remove(from: root) { removed.append(key) }
        return removed
    }

    private func remove(from root: borrowing OwnedFD) throws -> Bool {
        var hasRemoved = false
        for (directory, prefix, suffix) in files {
            guard let folder = try? root.open(beneath: directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { continue }
            let number = folder.number
            let names = try Files.list("/proc/self/fd/\(number)")
            for name in names where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
                guard unlinkat(number, name, 0) == 0 else {
                    // No package makes a directory of that name.
                    if errno == EISDIR || errno == ENOENT { continue }
                    throw SystemError("remove", "/\(directory)/\(name)")
                }
                hasRemoved = true
                // Certificates are found by links that are called by hashes.
                for link in names where try Self.target(of: link, in: folder) == name { unlinkat(number, link, 0) }
            }
        }
        return hasRemoved
    }

    /// The target of a link; nil for what is none.
    private static func target(of name: String, in folder: borrowing OwnedFD) throws -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        let count = readlinkat(folder.number, name, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
