#define _GNU_SOURCE
#include "clinux.h"

#include <stddef.h>

// The code of the programs that TaskHelper's StartProgram writes. It is copied out of this program, so it stands alone: one function
// in a section of its own, without data, literals, calls of other functions, and whatever a compiler would make calls of. It isn't
// optimised, for the same reason.
#if defined(__x86_64__)

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>

#define INLINE static inline __attribute__((always_inline))

INLINE long call4(long number, long first, long second, long third, long fourth) {
    long result;
    register long r10 __asm__("r10") = fourth;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10) : "rcx", "r11", "memory");
    return result;
}

INLINE long call5(long number, long first, long second, long third, long fourth, long fifth) {
    long result;
    register long r10 __asm__("r10") = fourth;
    register long r8 __asm__("r8") = fifth;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

enum {
    sigHangUp = 1,
    sigChild = 17,
    signalBytes = 8,     // sigset_t of the kernel
    setMask = 2,         // SIG_SETMASK
    noHang = 1,          // WNOHANG
    interrupted = -4,    // -EINTR
    notThere = -2,       // -ENOENT
    notDirectory = -20,  // -ENOTDIR
    takeTerminal = 0x540e,   // TIOCSCTTY
    leaveTerminal = 0x5422,  // TIOCNOTTY
    windowSize = 0x5413,     // TIOCGWINSZ: only terminals have one
};

__attribute__((section("dish_start"), used, noinline, optnone, no_stack_protector, no_sanitize("all"), noreturn))
void dish_start_code(const struct dish_start_table *table) {
    long end = -1;
    // While it is still root: the file is the container's root's.
    if (table->end_path) end = call4(__NR_open, (long)table->end_path, O_WRONLY | O_CLOEXEC, 0, 0);
    if (table->set_identity) {
        // A terminal belongs to its user, who opens it again as /dev/stdout. Whoever may not give it away shares it: all that runs
        // with these capabilities is the same user's.
        for (long descriptor = 0; descriptor < 3; descriptor++) {
            uint64_t size;
            if (call4(__NR_ioctl, descriptor, windowSize, (long)&size, 0) < 0) continue;
            if (call4(__NR_fchown, descriptor, table->user, -1, 0) < 0) call4(__NR_fchmod, descriptor, 0666, 0, 0);
        }
        long group = table->group, user = table->user;
        if (call4(__NR_setgroups, table->group_count, (long)table->groups, 0, 0) < 0
            || call4(__NR_setresgid, group, group, group, 0) < 0 || call4(__NR_setresuid, user, user, user, 0) < 0) {
            for (;;) call4(__NR_exit_group, 126, 0, 0, 0);
        }
    }
    uint64_t none = 0, all = ~0UL;
    if (table->end_path) {
        // It can't be read, so that its descriptors would be nobody's: whoever is its user finds /proc/1/fd.
        call4(__NR_prctl, PR_SET_DUMPABLE, 1, 0, 0);
        // The terminal becomes the child's session's. Giving it up hangs up on this process.
        uint64_t action[4];
        action[0] = 1;  // SIG_IGN
        action[1] = action[2] = action[3] = 0;
        call4(__NR_rt_sigaction, sigHangUp, (long)action, 0, signalBytes);
        call4(__NR_ioctl, 0, leaveTerminal, 0, 0);
        action[0] = 0;  // SIG_DFL
        call4(__NR_rt_sigaction, sigHangUp, (long)action, 0, signalBytes);
        call4(__NR_rt_sigaction, sigChild, (long)action, 0, signalBytes);
        // What is blocked waits, also for the first process of a PID namespace.
        call4(__NR_rt_sigprocmask, setMask, (long)&all, 0, signalBytes);
        long child = call5(__NR_clone, sigChild, 0, 0, 0, 0);
        if (child < 0) {
            for (;;) call4(__NR_exit_group, 126, 0, 0, 0);
        }
        if (child > 0) {
            // Variables may be secret: they are the child's alone.
            call4(__NR_munmap, (long)table & ~0xfffL, (long)table->mapped, 0, 0);
            for (;;) {
                int status;
                long ended;
                while ((ended = call4(__NR_wait4, -1, (long)&status, noHang, 0)) > 0) {
                    if (ended != child) continue;
                    if (end >= 0) call4(__NR_write, end, (long)&status, sizeof status, 0);
                    long code = (status & 0x7f) == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f);
                    for (;;) call4(__NR_exit_group, code, 0, 0, 0);
                }
                long number = call4(__NR_rt_sigtimedwait, (long)&all, 0, 0, signalBytes);
                if (number > 0 && number != sigChild) call4(__NR_kill, child, number, 0, 0);
            }
        }
        call4(__NR_setsid, 0, 0, 0, 0);
        call4(__NR_ioctl, 0, takeTerminal, 0, 0);
        call4(__NR_rt_sigprocmask, setMask, (long)&none, 0, signalBytes);
    }
    long code = 127;
    for (const uint64_t *candidate = (const uint64_t *)table->candidates; *candidate; candidate++) {
        long error = call4(__NR_execve, (long)*candidate, (long)table->arguments, (long)table->environment, 0);
        if (error != notThere && error != notDirectory) code = 126;
    }
    for (;;) call4(__NR_exit_group, code, 0, 0, 0);
}

// The linker's own, for a section whose name is an identifier.
extern const unsigned char __stop_dish_start[];

const unsigned char *dish_start_begin(void) { return (const unsigned char *)dish_start_code; }

unsigned long dish_start_length(void) { return (unsigned long)(__stop_dish_start - dish_start_begin()); }

#else

const unsigned char *dish_start_begin(void) { return NULL; }

unsigned long dish_start_length(void) { return 0; }

#endif
