// What Swift cannot import from the kernel's and glibc's headers, and the one fork/exec path.
// Structure-typed ioctl macros (_IOW with a struct) and function-like macros have no Swift
// counterpart, so each one needed is a constant here.

#ifndef DISH_CLINUX_H
#define DISH_CLINUX_H

// Kernel headers only: glibc's belong to Swift's own Glibc module.
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/loop.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/veth.h>
#include <stdint.h>

// Btrfs ioctls: linux/btrfs.h.
static const unsigned long DISH_BTRFS_SUBVOL_CREATE_V2 = BTRFS_IOC_SUBVOL_CREATE_V2;
static const unsigned long DISH_BTRFS_SNAP_CREATE_V2 = BTRFS_IOC_SNAP_CREATE_V2;
static const unsigned long DISH_BTRFS_SNAP_DESTROY_V2 = BTRFS_IOC_SNAP_DESTROY_V2;
static const unsigned long DISH_BTRFS_SUBVOL_GETFLAGS = BTRFS_IOC_SUBVOL_GETFLAGS;
static const unsigned long DISH_BTRFS_SUBVOL_SETFLAGS = BTRFS_IOC_SUBVOL_SETFLAGS;
static const unsigned long DISH_BTRFS_GET_SUBVOL_INFO = BTRFS_IOC_GET_SUBVOL_INFO;
static const unsigned long DISH_BTRFS_GET_SUBVOL_ROOTREF = BTRFS_IOC_GET_SUBVOL_ROOTREF;
static const unsigned long DISH_BTRFS_INO_LOOKUP = BTRFS_IOC_INO_LOOKUP;
static const unsigned long DISH_BTRFS_TREE_SEARCH_V2 = BTRFS_IOC_TREE_SEARCH_V2;
static const unsigned long DISH_BTRFS_QUOTA_CTL = BTRFS_IOC_QUOTA_CTL;
static const unsigned long DISH_BTRFS_QGROUP_ASSIGN = BTRFS_IOC_QGROUP_ASSIGN;
static const unsigned long DISH_BTRFS_QGROUP_CREATE = BTRFS_IOC_QGROUP_CREATE;
static const unsigned long DISH_BTRFS_QGROUP_LIMIT = BTRFS_IOC_QGROUP_LIMIT;
static const unsigned long DISH_BTRFS_SPACE_INFO = BTRFS_IOC_SPACE_INFO;
static const unsigned long DISH_BTRFS_FS_INFO = BTRFS_IOC_FS_INFO;
static const unsigned long DISH_BTRFS_DEV_INFO = BTRFS_IOC_DEV_INFO;
static const unsigned long DISH_BTRFS_SYNC = BTRFS_IOC_SYNC;
static const unsigned long DISH_BTRFS_START_SYNC = BTRFS_IOC_START_SYNC;
static const unsigned long DISH_BTRFS_WAIT_SYNC = BTRFS_IOC_WAIT_SYNC;
static const unsigned long DISH_BTRFS_GET_DEV_STATS = BTRFS_IOC_GET_DEV_STATS;
static const unsigned long DISH_BTRFS_RM_DEV_V2 = BTRFS_IOC_RM_DEV_V2;
static const unsigned long DISH_BTRFS_DEV_REPLACE = BTRFS_IOC_DEV_REPLACE;
static const unsigned long DISH_BTRFS_RESIZE = BTRFS_IOC_RESIZE;
static const unsigned long DISH_BTRFS_SCRUB = BTRFS_IOC_SCRUB;
static const unsigned long DISH_BTRFS_SCRUB_CANCEL = BTRFS_IOC_SCRUB_CANCEL;
static const unsigned long DISH_BTRFS_SCRUB_PROGRESS = BTRFS_IOC_SCRUB_PROGRESS;
static const unsigned long DISH_BTRFS_BALANCE_V2 = BTRFS_IOC_BALANCE_V2;
static const unsigned long DISH_BTRFS_BALANCE_CTL = BTRFS_IOC_BALANCE_CTL;
static const unsigned long DISH_BTRFS_BALANCE_PROGRESS = BTRFS_IOC_BALANCE_PROGRESS;

static const uint32_t DISH_BTRFS_SUPER_MAGIC = 0x9123683E;
static const uint32_t DISH_CGROUP2_SUPER_MAGIC = 0x63677270;

// Enables simple quotas: in linux/btrfs.h only since 6.7, which is newer than Debian 12's headers.
static const uint64_t DISH_BTRFS_QUOTA_ENABLE_SIMPLE = 4;

// Loop devices: linux/loop.h.
static const unsigned long DISH_LOOP_CTL_GET_FREE = LOOP_CTL_GET_FREE;
static const unsigned long DISH_LOOP_GET_STATUS64 = LOOP_GET_STATUS64;
static const unsigned long DISH_LOOP_CONFIGURE = LOOP_CONFIGURE;
static const unsigned long DISH_LOOP_SET_CAPACITY = LOOP_SET_CAPACITY;
static const uint32_t DISH_LO_FLAGS_AUTOCLEAR = LO_FLAGS_AUTOCLEAR;
static const uint32_t DISH_LO_FLAGS_DIRECT_IO = LO_FLAGS_DIRECT_IO;

// Flags that Glibc shows only to GNU sources.
static const int DISH_O_PATH = 010000000;
static const int DISH_AT_EMPTY_PATH = 0x1000;
static const int DISH_CLONE_FS = CLONE_FS;
static const int DISH_CLONE_NEWNS = CLONE_NEWNS;
static const int DISH_CLONE_NEWCGROUP = CLONE_NEWCGROUP;
static const int DISH_CLONE_NEWUTS = CLONE_NEWUTS;
static const int DISH_CLONE_NEWIPC = CLONE_NEWIPC;
static const int DISH_CLONE_NEWUSER = CLONE_NEWUSER;
static const int DISH_CLONE_NEWPID = CLONE_NEWPID;
static const int DISH_CLONE_NEWNET = CLONE_NEWNET;
// Open file description locks: fcntl_locking(2).
static const int DISH_F_OFD_GETLK = 36;
static const int DISH_F_OFD_SETLK = 37;
static const int DISH_F_OFD_SETLKW = 38;
static const unsigned DISH_RENAME_NOREPLACE = 1;
// Flags of inodes, which chattr(1) sets: linux/fs.h.
static const uint32_t DISH_FS_IMMUTABLE = 0x10;
static const uint32_t DISH_FS_APPEND = 0x20;
static const uint32_t DISH_FS_NO_COPY_ON_WRITE = 0x00800000;
static const unsigned DISH_RENAME_EXCHANGE = 2;

// System calls without a wrapper in glibc 2.36, or with a variadic one.
int dish_openat2(int directory, const char *path, const struct open_how *how);
int dish_pidfd_open(int pid);
int dish_pidfd_send_signal(int pidfd, int signal);
int dish_unshare(int flags);
int dish_setns(int fd, int type);
int dish_renameat2(int from, const char *source, int to, const char *target, unsigned flags);
int dish_open(const char *path, int flags, unsigned mode);
int dish_openat(int at, const char *path, int flags, unsigned mode);
int dish_ioctl(int fd, unsigned long request, void *argument);
int dish_ioctl_int(int fd, unsigned long request, long argument);
int dish_pipe(int ends[2]);

/// Unmaps the pages of the program's own code: those that are used again are mapped again, from the file's cached pages.
/// For a process that has started and will mostly sleep.
void dish_unmap_code(void);

/// Lets all threads allocate from two arenas: what a burst of work took is found again by the next, whatever its thread.
void dish_share_arenas(void);

/// Gives free memory of the heap back to the kernel: malloc_trim(3).
void dish_trim_heap(void);
int dish_fcntl(int fd, int command, long argument);

// Takes room for bytes of a file, which may be behind its end and don't change it (fallocate(2)).
int dish_reserve(int fd, int64_t offset, int64_t length);
long dish_getdents64(int fd, void *buffer, unsigned long size);
// memfd_create(2), close-on-exec.
int dish_memory_file(const char *name);
// statfs(2), of which the Glibc module has only the POSIX variant without the type.
struct dish_statfs {
    uint32_t type;
    uint64_t block_size, blocks, available;
};
int dish_fstatfs(int fd, struct dish_statfs *result);
// Extended attributes; `follow` is 0 for the link itself.
long dish_listxattr(const char *path, char *list, unsigned long size, int follow);
long dish_getxattr(const char *path, const char *name, void *value, unsigned long size, int follow);
int dish_setxattr(const char *path, const char *name, const void *value, unsigned long size, int follow);
int dish_removexattr(const char *path, const char *name, int follow);
int dish_fallocate(int fd, int mode, int64_t offset, int64_t length);
// FICLONERANGE: linux/fs.h, which can't be included beside glibc's sys/mount.h.
int dish_clone_range(int target, uint64_t offset, int source, uint64_t source_offset, uint64_t length);
// BTRFS_IOC_ENCODED_WRITE with one buffer.
long dish_encoded_write(int fd, const void *bytes, unsigned long count, int64_t offset, uint64_t file_length,
                        uint64_t length, uint64_t start, uint32_t compression, uint32_t encryption);
// FS_IOC_ENABLE_VERITY: linux/fsverity.h.
int dish_enable_verity(int fd, uint32_t algorithm, uint32_t block_size, const void *salt, uint32_t salt_size,
                       const void *signature, uint32_t signature_size);
// FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of a file or directory that is open.
int dish_get_file_flags(int fd, uint32_t *flags);
int dish_set_file_flags(int fd, uint32_t flags);
// open_by_handle_at(2) of an inode of a Btrfs tree (FILEID_BTRFS_WITHOUT_PARENT of the kernel's exportfs.h), whatever
// its path is; `mount` is any descriptor of that file system.
int dish_open_inode(int mount, uint64_t tree, uint64_t inode, uint64_t generation, int flags);
// linkat(2) of what a descriptor names.
int dish_link_descriptor(int fd, int directory, const char *name);
// lseek(2) with SEEK_DATA and SEEK_HOLE.
int64_t dish_seek_data(int fd, int64_t offset);
int64_t dish_seek_hole(int fd, int64_t offset);
// Starts writing a file's dirty pages to the disk without waiting (sync_file_range(2)).
int dish_start_writeback(int fd);
// Sets both times, links not followed; an empty name means the descriptor itself.
int dish_set_times(int at, const char *name, int64_t access_seconds, uint32_t access_nanoseconds, int64_t seconds,
                   uint32_t nanoseconds);
// Sets the modification time; an empty name means the descriptor itself. Links are not followed.
int dish_set_mtime(int at, const char *name, int64_t seconds);
// A descriptor that reads struct signalfd_siginfo for SIGCHLD and SIGTERM, which are blocked from then on.
int dish_signalfd(void);
// A new pseudo-terminal: the master, and its other end in *terminal.
int dish_open_terminal(int *terminal);
int dish_set_window_size(int terminal, uint16_t rows, uint16_t columns);
int dish_get_window_size(int terminal, uint16_t *rows, uint16_t *columns);
int dish_prctl(int option, unsigned long argument);
// setfsuid(2) and setfsgid(2) for this thread, which keeps its effective capabilities.
int dish_own_new_files(uint32_t uid, uint32_t gid);
// accept4(2), close-on-exec and non-blocking.
int dish_accept(int listener);
// Has the kernel say who sends to a Unix socket (unix(7), SO_PASSCRED).
int dish_ask_for_senders(int socket);
// recvmsg(2) without waiting. *sender is the sender's process in this PID namespace, which the kernel vouches for; 0 for
// one that isn't known, or isn't in it. Descriptors that come along are closed.
long dish_receive_from(int socket, void *buffer, unsigned long size, int *sender);

// A detached copy of the mounts at a descriptor and below (open_tree(2)).
int dish_clone_mount(int descriptor);
// The same without the mounts below: what they hide is seen.
int dish_clone_one_mount(int descriptor);
// Sets `nodev` on a detached mount and those below it: it can't be taken off in a user namespace.
int dish_forbid_devices(int mount);
int dish_attach_mount(int mount, const char *target);
// Refuses all devices but a container's own to the processes of a cgroup v2 group and those below it (BPF_CGROUP_DEVICE, Linux 4.15).
int dish_limit_devices(int cgroup);

// Function-like macros.
int dish_wait_exited(int status);
int dish_wait_exit_code(int status);
int dish_wait_signal(int status);
unsigned dish_major(uint64_t device);
unsigned dish_minor(uint64_t device);
uint64_t dish_makedev(unsigned major, unsigned minor);

// Where a spawned child stopped before its program ran.
enum dish_spawn_step {
    DISH_SPAWN_NONE = 0,
    DISH_SPAWN_FORK,
    DISH_SPAWN_SETNS,
    DISH_SPAWN_TERMINAL,
    DISH_SPAWN_CGROUP,
    DISH_SPAWN_DESCRIPTORS,
    DISH_SPAWN_DIRECTORY,
    DISH_SPAWN_NETWORK,
    DISH_SPAWN_UNSHARE,
    DISH_SPAWN_IDENTITY,
    DISH_SPAWN_LIMITS,
    DISH_SPAWN_KEYRING,
    DISH_SPAWN_FILTER,
    DISH_SPAWN_CAPABILITIES,
    DISH_SPAWN_EXEC,
};

// To a child that joined namespaces (SIGUSR1): ends its program's process group, with SIGTERM and a moment later SIGKILL. SIGINT, SIGTERM,
// SIGHUP and SIGQUIT are passed on to that group.
static const int DISH_SPAWN_END_SIGNAL = 10;

// A program for seccomp(2): `count` structs sock_filter.
struct dish_spawn_filter {
    const void *instructions;
    uint16_t count;
};

// One of getrlimit(2); ~0 is none.
struct dish_spawn_limit {
    int resource;
    uint64_t soft, hard;
};

// Everything a child does between fork and exec. Zero means "leave as it is".
struct dish_spawn_request {
    const char *program;          // absolute path; within the joined mount namespace, if any
    char *const *arguments;       // NULL-terminated, the program's name first
    char *const *environment;     // NULL-terminated
    const char *directory;        // working directory, or NULL
    int directory_is_optional;    // with join_flags: / where the program's user may not enter it
    const int *descriptors;       // becomes 0, 1, 2, ... in the child; -1 is /dev/null
    int descriptor_count;
    const char *birth_cgroup;     // directory of the cgroup v2 group the child is born into, or NULL
    const char *const *cgroups;   // NULL-terminated paths of cgroup.procs files to enter, or NULL
    int new_session;              // setsid
    int detached;                 // fork twice: the child belongs to init, not to the caller
    int death_signal;             // PR_SET_PDEATHSIG: sent when the *thread* that spawned ends
    const char *network_namespace; // path of a network namespace to run in, or NULL
    int unshare_flags;            // CLONE_NEW…, made in the child before exec
    int join_pidfd;               // process whose namespaces are joined, with join_flags
    int join_flags;               // CLONE_NEW… for setns(2); 0: none
    int terminal_socket;          // with join_flags: a pty of that mount namespace becomes 0, 1, 2
                                  // and the controlling terminal; its master is sent here
                                  // (SCM_RIGHTS); 0: none
    int set_pipe_owner;           // give the pipes among the descriptors to the user below, and let everybody
    uint32_t pipe_owner;          // open them who can reach them: as /dev/stdout, say
    int set_identity;             // become uid/gid below, with just these supplementary groups
    uint32_t uid;
    uint32_t gid;
    const uint32_t *groups;
    int group_count;
    const struct dish_spawn_filter *filters; // installed in order
    int filter_count;
    int set_capabilities;         // no more than those below: bounding, permitted, effective;
                                  // none inheritable or ambient
    uint64_t capabilities;        // a bit for each, as in proc_pid_status(5)
    int no_new_privileges;        // PR_SET_NO_NEW_PRIVS
    const struct dish_spawn_limit *limits;
    int limit_count;
    int set_oom_score;            // else a negative one of the caller becomes 0
    int oom_score;
    int start_limit;              // milliseconds until its program runs, else ETIMEDOUT; 0: none
};

// Starts a child. Returns its process id, or -1 with *step and *error telling what failed; by then
// the child is reaped. Everything in the child between fork and exec is async-signal-safe.
int dish_spawn(const struct dish_spawn_request *request, int *step, int *error);

// A reader of a hostile directory, or of a hostile file. See confine.c.
struct dish_confined_request {
    const char *program;          // absolute path, on the host and inside
    char *const *arguments;       // NULL-terminated, the program's name first
    char *const *environment;     // NULL-terminated
    int input;                    // becomes 0; -1: it has none
    int output;                   // becomes 1
    int errors;                   // becomes 2
    int directory;                // the directory that it sees, read-only, at /tree; -1: none
    uint32_t first_id;            // on the host, of its 65536 ids
    uint64_t memory;              // bytes of memory of its own
    uint64_t processor_seconds;
};

// Starts it: returns its process id, or -1 with errno, and *step saying what failed.
int dish_spawn_confined(const struct dish_confined_request *request, const char **step);

// What the code of a start program is given: at an address of its own. Addresses are those of the program's memory.
struct dish_start_table {
    uint64_t mapped;              // bytes from the page of this table on, which the first process gives back
    uint64_t end_path;            // 0: it becomes the program itself; else it stays as the first process of a PID
                                  // namespace, and writes there with what wait status the program ended
    uint64_t candidates;          // of paths of the program, with a null at the end
    uint64_t arguments;
    uint64_t environment;
    uint64_t groups;
    uint32_t group_count;
    uint32_t set_identity;
    uint32_t user;
    uint32_t group;
};

// The code, which takes the table's address as a function takes its first argument. See start.c.
const unsigned char *dish_start_begin(void);
unsigned long dish_start_length(void);

// One message with one descriptor over a Unix socket; both return -1 with errno set.
int dish_send_descriptor(int socket, int descriptor);
int dish_receive_descriptor(int socket);

#endif
