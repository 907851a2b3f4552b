/// Networks: the task's address and rules, others' traffic, and services of the host.
#include "attack.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>

/// A netlink request with attributes.
struct request {
    struct nlmsghdr head;
    char rest[400];
};

static void *append(struct request *request, const void *bytes, size_t size) {
    void *place = (char *)request + NLMSG_ALIGN(request->head.nlmsg_len);
    memcpy(place, bytes, size);
    request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + size;
    return place;
}

static void attribute(struct request *request, int type, const void *bytes, size_t size) {
    struct rtattr head = {.rta_len = RTA_LENGTH(size), .rta_type = type};
    append(request, &head, sizeof head);
    append(request, bytes, size);
}

static struct request begin(int type, int flags, const void *header, size_t size) {
    struct request request = {.head = {.nlmsg_len = NLMSG_LENGTH(0), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags}};
    append(&request, header, size);
    return request;
}

/// Sends it, and returns 0 or -1 and errno.
static int ask(int protocol, const void *bytes, size_t size) {
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (netlink < 0 || sendto(netlink, bytes, size, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) return -1;
    struct pollfd ready = {netlink, POLLIN, 0};
    char answer[4096];
    while (poll(&ready, 1, 1000) > 0) {
        ssize_t length = recv(netlink, answer, sizeof answer, 0);
        for (struct nlmsghdr *head = (struct nlmsghdr *)answer; NLMSG_OK(head, length); head = NLMSG_NEXT(head, length)) {
            if (head->nlmsg_type != NLMSG_ERROR) continue;
            errno = -((struct nlmsgerr *)NLMSG_DATA(head))->error;
            if (errno) return -1;
            return 0;
        }
    }
    errno = ETIMEDOUT;
    return -1;
}

static void judge(int result, const char *what) {
    if (result < 0) REFUSED();
    if (owns_network()) contained("%s, in the task's own network", what);
    succeeded("%s", what);
}

/// An interface that isn't the loopback; 1 when there is none.
static int interface(void) {
    struct if_nameindex *list = if_nameindex();
    int found = 1;
    for (struct if_nameindex *entry = list; entry && entry->if_index; entry++)
        if (strcmp(entry->if_name, "lo")) found = entry->if_index;
    return found;
}

ATTACK(network, add_an_address) {
    struct ifaddrmsg head = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = interface()};
    struct request request = begin(RTM_NEWADDR, NLM_F_CREATE, &head, sizeof head);
    in_addr_t address = inet_addr("192.0.2.77");
    attribute(&request, IFA_LOCAL, &address, 4);
    judge(ask(NETLINK_ROUTE, &request, request.head.nlmsg_len), "an address");
}
ATTACK(network, add_a_route) {
    struct rtmsg head = {.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
                         .rtm_type = RTN_BLACKHOLE};
    struct request request = begin(RTM_NEWROUTE, NLM_F_CREATE, &head, sizeof head);
    in_addr_t address = inet_addr("192.0.2.78");
    attribute(&request, RTA_DST, &address, 4);
    judge(ask(NETLINK_ROUTE, &request, request.head.nlmsg_len), "a route");
}
ATTACK(network, add_a_neighbour) {
    struct ndmsg head = {.ndm_family = AF_INET, .ndm_ifindex = interface(), .ndm_state = NUD_PERMANENT};
    struct request request = begin(RTM_NEWNEIGH, NLM_F_CREATE, &head, sizeof head);
    in_addr_t address = inet_addr("192.0.2.79");
    attribute(&request, NDA_DST, &address, 4);
    attribute(&request, NDA_LLADDR, "\2\0\0\0\0\1", 6);
    judge(ask(NETLINK_ROUTE, &request, request.head.nlmsg_len), "a neighbour");
}
ATTACK(network, change_the_link) {
    struct ifinfomsg head = {.ifi_index = interface()};
    struct request request = begin(RTM_NEWLINK, 0, &head, sizeof head);
    attribute(&request, IFLA_IFALIAS, "attack", 6);
    judge(ask(NETLINK_ROUTE, &request, request.head.nlmsg_len), "a link's alias");
}
ATTACK(network, make_a_link) {
    struct ifinfomsg head = {0};
    struct request request = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head);
    attribute(&request, IFLA_IFNAME, "attack0", 8);
    struct rtattr nested = {.rta_len = RTA_LENGTH(RTA_LENGTH(5)), .rta_type = IFLA_LINKINFO};
    append(&request, &nested, sizeof nested);
    attribute(&request, IFLA_INFO_KIND, "dummy", 5);
    judge(ask(NETLINK_ROUTE, &request, request.head.nlmsg_len), "a link");
}
ATTACK(network, rules_of_packets) {
    struct nfgenmsg head = {.nfgen_family = 1 /* NFPROTO_INET */, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    struct request first = begin(NFNL_MSG_BATCH_BEGIN, 0, &head, sizeof head), last = begin(NFNL_MSG_BATCH_END, 0, &head, sizeof head);
    first.head.nlmsg_flags = last.head.nlmsg_flags = NLM_F_REQUEST;
    struct nfgenmsg table = {.nfgen_family = 1 /* NFPROTO_INET */};
    struct request request = begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE, &table, sizeof table);
    attribute(&request, NFTA_TABLE_NAME, "attack", 7);
    char batch[1200] = "";
    size_t size = 0;
    struct request *all[] = {&first, &request, &last};
    for (int index = 0; index < 3; index++) {
        memcpy(batch + size, all[index], all[index]->head.nlmsg_len);
        size += NLMSG_ALIGN(all[index]->head.nlmsg_len);
    }
    judge(ask(NETLINK_NETFILTER, batch, size), "a table of rules");
}
ATTACK(network, settings_of_the_network) {
    const char *const paths[] = {"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/all/route_localnet",
                                 "/proc/sys/net/ipv6/conf/all/accept_ra", "/proc/sys/net/core/somaxconn", "/proc/sys/net/ipv4/tcp_mem"};
    int written = 0;
    for (int index = 0; index < 5; index++) written += write_back(paths[index]) == 0;
    // Only the first network has this one.
    if (written && access("/proc/sys/net/core/netdev_max_backlog", F_OK) < 0) contained("settings of the task's own network");
    judge(written ? 0 : -1, "settings");
}
ATTACK(network, raw_socket) { judge(socket(AF_INET, SOCK_RAW, IPPROTO_UDP), "a raw socket"); }
ATTACK(network, raw_socket_6) { judge(socket(AF_INET6, SOCK_RAW, IPPROTO_UDP), "a raw socket"); }
ATTACK(network, sniff) { judge(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), "a socket that hears all"); }
ATTACK(network, forge_arp) {
    int packet = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ARP));
    if (packet < 0) REFUSED();
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = interface(), .sll_protocol = htons(ETH_P_ARP), .sll_halen = 6,
                             .sll_addr = {255, 255, 255, 255, 255, 255}};
    // An answer that nobody asked for, of an address that nobody has.
    unsigned char answer[28] = {0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 1, 192, 0, 2, 80, 255, 255, 255, 255, 255, 255, 192, 0, 2, 80};
    judge(sendto(packet, answer, sizeof answer, 0, (struct sockaddr *)&to, sizeof to) < 0 ? -1 : 0, "an ARP answer");
}
ATTACK(network, network_of_its_own_by_a_user_namespace) {
    if (enter_namespaces(CLONE_NEWNET) < 0) REFUSED();
    if (socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) < 0) REFUSED();
    contained("a network with nobody in it");
}

/// Sends from its own address: the test sees that what arrives is seen.
static void send_to_the_gateway(int family) {
    bool four = family == AF_INET;
    const char *target = need(four ? "gateway" : "gateway6");
    uint16_t port = htons(number("port"));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = port};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = port};
    inet_pton(family, target, four ? (void *)&to.sin_addr : &to6.sin6_addr);
    int udp = socket(family, SOCK_DGRAM, 0);
    if (udp < 0 || sendto(udp, "honest", 6, 0, four ? (struct sockaddr *)&to : (struct sockaddr *)&to6, four ? sizeof to : sizeof to6) < 0)
        REFUSED();
    contained("sent from the task's own address");
}
ATTACK(network, own_address) { send_to_the_gateway(AF_INET); }
ATTACK(network, own_address_6) { send_to_the_gateway(AF_INET6); }

/// Sends from another's address; the test listens where it would arrive.
static void forge(int family, int level, int option, const char *name) {
    const char *source = need(family == AF_INET ? "neighbour" : "neighbour6"), *target = need(family == AF_INET ? "gateway" : "gateway6");
    uint16_t port = htons(fact("port") ? number("port") : 9);
    int udp = socket(family, SOCK_DGRAM, 0), on = 1;
    if (udp < 0 || setsockopt(udp, level, option, &on, sizeof on) < 0) REFUSED();
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {inet_addr(source)}}, to = {.sin_family = AF_INET, .sin_port = port};
    struct sockaddr_in6 from6 = {.sin6_family = AF_INET6}, to6 = {.sin6_family = AF_INET6, .sin6_port = port};
    bool four = family == AF_INET;
    inet_pton(family, source, four ? (void *)&from.sin_addr : &from6.sin6_addr);
    inet_pton(family, target, four ? (void *)&to.sin_addr : &to6.sin6_addr);
    socklen_t size = four ? sizeof from : sizeof from6;
    if (bind(udp, four ? (struct sockaddr *)&from : (struct sockaddr *)&from6, size) < 0) REFUSED();
    for (int time = 0; time < 3; time++)
        if (sendto(udp, "forged", 6, 0, four ? (struct sockaddr *)&to : (struct sockaddr *)&to6, size) < 0) REFUSED();
    contained("sent with %s; it must not arrive", name);
}
ATTACK(network, free_bind) { forge(AF_INET, IPPROTO_IP, 15 /* IP_FREEBIND */, "IP_FREEBIND"); }
ATTACK(network, transparent) { forge(AF_INET, IPPROTO_IP, 19 /* IP_TRANSPARENT */, "IP_TRANSPARENT"); }
ATTACK(network, free_bind_6) { forge(AF_INET6, IPPROTO_IPV6, 78 /* IPV6_FREEBIND */, "IPV6_FREEBIND"); }
ATTACK(network, transparent_6) { forge(AF_INET6, IPPROTO_IPV6, 75 /* IPV6_TRANSPARENT */, "IPV6_TRANSPARENT"); }

static void reach(const char *address, const char *what) {
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(number("service")), .sin_addr = {inet_addr(address)}};
    if (connect(tcp, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) REFUSED();
    struct pollfd ready = {tcp, POLLOUT, 0};
    if (poll(&ready, 1, 300) < 1) refused("no answer");
    int reason = 0;
    socklen_t size = sizeof reason;
    getsockopt(tcp, SOL_SOCKET, SO_ERROR, &reason, &size);
    if (reason) refused("%s", strerror(reason));
    succeeded("%s", what);
}
ATTACK(network, service_on_the_hosts_loopback) { reach("127.0.0.1", "the host's service on 127.0.0.1"); }
ATTACK(network, loopback_by_the_gateway) { reach(need("gateway"), "a service that listens on 127.0.0.1 only"); }

static void connect_abstract(int type) {
    int socket_ = socket(AF_UNIX, type, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strncpy(name.sun_path + 1, need("abstract"), sizeof name.sun_path - 2);
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name.sun_path + 1);
    if (connect(socket_, (struct sockaddr *)&name, size) < 0) REFUSED();
    succeeded("connected to the host's abstract socket");
}
ATTACK(network, abstract_socket_of_the_host) { connect_abstract(SOCK_STREAM); }

ATTACK(network, socket_of_the_agent) {
    const char *path = need("agent");
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strncpy(name.sun_path, path, sizeof name.sun_path - 1);
    if (connect(stream, (struct sockaddr *)&name, sizeof name) < 0) REFUSED();
    succeeded("connected to %s", path);
}

ATTACK(network, virtual_machine_sockets) {
    // They have no namespaces: a port is the whole machine's. Nothing is sent.
    int socket_ = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (socket_ < 0) REFUSED();
    struct sockaddr_vm name = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = 0x0A77AC};
    if (bind(socket_, (struct sockaddr *)&name, sizeof name) < 0) REFUSED();
    succeeded("bound a port of the machine");
}

static void family(int number, int type, int protocol, const char *what) {
    int opened = socket(number, type, protocol);
    if (opened < 0) REFUSED();
    succeeded("a socket of %s, which has no namespaces", what);
}
ATTACK(network, tipc_socket) {
    if (socket(30, SOCK_RDM, 0) < 0) REFUSED();
    contained("the network's own");
}
ATTACK(network, bluetooth_socket) { family(31, SOCK_RAW, 1, "Bluetooth"); }
ATTACK(network, nfc_socket) { family(39, SOCK_SEQPACKET, 1, "NFC"); }
ATTACK(network, ib_socket) { family(21, SOCK_SEQPACKET, 0, "RDS"); }

static void kernel_messages(int protocol, unsigned groups, const char *what) {
    int netlink = socket(AF_NETLINK, SOCK_RAW, protocol);
    struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_groups = groups};
    if (netlink < 0 || bind(netlink, (struct sockaddr *)&name, sizeof name) < 0) REFUSED();
    if (is_initial("user")) contained("%s of the task's network", what);
    contained("%s of the task's network", what);
}
ATTACK(network, device_events) { kernel_messages(15 /* NETLINK_KOBJECT_UEVENT */, 1, "events"); }
ATTACK(network, audit_messages) {
    struct {
        struct nlmsghdr head;
        uint32_t status[10];
    } request = {.head = {.nlmsg_len = sizeof request, .nlmsg_type = 1000 /* AUDIT_GET */, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    if (ask(9 /* NETLINK_AUDIT */, &request, sizeof request) < 0) REFUSED();
    succeeded("the host's audit answers");
}
