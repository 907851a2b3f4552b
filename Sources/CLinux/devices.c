#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ANY = -1, MAKE = BPF_DEVCG_ACC_MKNOD, USE = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE };

// Character devices; block devices are refused altogether.
static const struct {
    int major, minor, access;
} allowed[] = {
    {1, 3, MAKE | USE},     // null
    {1, 5, MAKE | USE},     // zero
    {1, 7, MAKE | USE},     // full
    {1, 8, MAKE | USE},     // random
    {1, 9, MAKE | USE},     // urandom
    {5, 0, MAKE | USE},     // tty
    {5, 2, MAKE | USE},     // ptmx
    {136, ANY, MAKE | USE}, // pts
    {0, 0, MAKE},           // a whiteout of overlayfs
    {10, 200, MAKE},        // net/tun, which systemd-nspawn makes where the host has it
};

static int bpf(int command, union bpf_attr *attributes) {
    return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static struct bpf_insn instruction(int code, int target, int source, int offset, int value) {
    return (struct bpf_insn){.code = code, .dst_reg = target, .src_reg = source, .off = offset, .imm = value};
}

int dish_limit_devices(int cgroup) {
    enum { TYPE = 3, ACCESS = 2, MAJOR = 4, MINOR = 5, REST = 6 };
    struct bpf_insn program[16 + 7 * (sizeof allowed / sizeof allowed[0])];
    int count = 0;
    // struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor.
    program[count++] = instruction(BPF_LDX | BPF_MEM | BPF_W, ACCESS, 1, 0, 0);
    program[count++] = instruction(BPF_ALU64 | BPF_MOV | BPF_X, TYPE, ACCESS, 0, 0);
    program[count++] = instruction(BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
    program[count++] = instruction(BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
    program[count++] = instruction(BPF_LDX | BPF_MEM | BPF_W, MAJOR, 1, 4, 0);
    program[count++] = instruction(BPF_LDX | BPF_MEM | BPF_W, MINOR, 1, 8, 0);
    program[count++] = instruction(BPF_JMP | BPF_JEQ | BPF_K, TYPE, 0, 2, BPF_DEVCG_DEV_CHAR);
    program[count++] = instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
    program[count++] = instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    for (unsigned i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        int any = allowed[i].minor == ANY;
        program[count++] = instruction(BPF_JMP | BPF_JNE | BPF_K, MAJOR, 0, any ? 5 : 6, allowed[i].major);
        if (!any) program[count++] = instruction(BPF_JMP | BPF_JNE | BPF_K, MINOR, 0, 5, allowed[i].minor);
        program[count++] = instruction(BPF_ALU64 | BPF_MOV | BPF_X, REST, ACCESS, 0, 0);
        program[count++] = instruction(BPF_ALU64 | BPF_AND | BPF_K, REST, 0, 0, ~allowed[i].access);
        program[count++] = instruction(BPF_JMP | BPF_JNE | BPF_K, REST, 0, 2, 0);
        program[count++] = instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
        program[count++] = instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }
    program[count++] = instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
    program[count++] = instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

    union bpf_attr load;
    memset(&load, 0, sizeof load);
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = (uintptr_t)program;
    load.insn_cnt = (uint32_t)count;
    load.license = (uintptr_t)"Apache-2.0";
    int descriptor = bpf(BPF_PROG_LOAD, &load);
    if (descriptor < 0) return -1;
    union bpf_attr attach;
    memset(&attach, 0, sizeof attach);
    attach.target_fd = (uint32_t)cgroup;
    attach.attach_bpf_fd = (uint32_t)descriptor;
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    int result = bpf(BPF_PROG_ATTACH, &attach);
    int saved = errno;
    close(descriptor);
    errno = saved;
    return result;
}
