#include "service/call_table.h"

#include <array>
#include <fcntl.h>
#include <linux/blkzoned.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/nvme_ioctl.h>
#include <linux/vduse.h>
#include <sched.h>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <utility>

#include <scsi/sg.h>

namespace zonebridge::service {
namespace {

constexpr std::uint64_t word = 0xFFFFFFFF;  // the kernel looks at 32 bits only

constexpr CallCondition is(unsigned argument, std::uint64_t value) {
    return {argument, word, value & word};
}
constexpr CallCondition none_of(unsigned argument, std::uint64_t bits) {
    return {argument, bits, 0};
}
constexpr CallCondition all_of(unsigned argument, std::uint64_t bits) {
    return {argument, bits, bits};
}

constexpr std::uint64_t report_from_memory = _IOWR(0x12, 142, blk_zone_report);
constexpr std::uint64_t nvme_vectored = _IOWR('N', 0x49, nvme_passthru_cmd64);

constexpr CallRow rows[] = {
    // ---- Threads and time.
    {Part::base, SYS_futex, {}, "locks and condition variables"},
    {Part::base, SYS_clone, all_of(0, CLONE_THREAD), "threads; never a process"},
    {Part::base, SYS_set_robust_list, {}, "a new thread's first calls"},
    {Part::base, SYS_rseq, {}, "a new thread's first calls"},
    {Part::base, SYS_sigaltstack, {}, "a new thread's first calls, under sanitizers"},
    {Part::base, SYS_prctl, is(0, PR_SET_NAME), "thread names"},
    {Part::base, SYS_prctl, is(0, PR_GET_NAME), "the thread's name for the log"},
    {Part::base, SYS_gettid, {}, "the log line of a forbidden call"},
    {Part::base, SYS_getpid, {}, "the disk's other users are told from this process"},
    {Part::base, SYS_sched_yield, {}, "locks of the C library"},
    {Part::base, SYS_sched_getaffinity, {}, "the C library counts CPUs for its heaps"},
    {Part::base, SYS_getcpu, {}, "the C library, without the vDSO"},
    {Part::base, SYS_clock_gettime, {}, "clocks, where the vDSO can't tell"},
    {Part::base, SYS_clock_nanosleep, {}, "waits between two looks at a disk"},
    {Part::base, SYS_nanosleep, {}, "the same, by older C libraries"},
    {Part::base, SYS_restart_syscall, {}, "a wait that a signal interrupted"},
    {Part::base, SYS_rt_sigprocmask, {}, "start_thread"},
    {Part::base, SYS_rt_sigreturn, {}, "the end of a signal handler"},
    {Part::base, SYS_exit, {}, "the end of a thread"},
    {Part::base, SYS_exit_group, {}, "the end of the process"},
    // ---- Memory; never code.
    {Part::base, SYS_mmap, none_of(2, PROT_EXEC), "heaps, stacks, guest memory"},
    {Part::base, SYS_mprotect, none_of(2, PROT_EXEC), "heaps, stacks"},
    {Part::base, SYS_munmap, {}, "heaps, stacks, guest memory"},
    {Part::base, SYS_mremap, {}, "heaps"},
    {Part::base, SYS_madvise, {}, "heaps, stacks of ended threads"},
    {Part::base, SYS_brk, {}, "the heap"},
    {Part::base, SYS_getrandom, {}, "a disk's hash seed, the C library's heap"},
    // ---- Descriptors that are open.
    {Part::base, SYS_read, {}, "event descriptors, signals, timers"},
    {Part::base, SYS_write, {}, "event descriptors, standard output"},
    {Part::base, SYS_writev, {}, "the log"},
    {Part::base, SYS_close, {}, "everything"},
    {Part::base, SYS_poll, {}, "every thread that waits without a ring"},
    {Part::base, SYS_ppoll, {}, "poll(2) of some C libraries"},
    {Part::base, SYS_eventfd2, {}, "wake-ups of a queue that is opened later"},
    {Part::base, SYS_timerfd_create, {}, "delayed answers (--fault)"},
    {Part::base, SYS_timerfd_settime, {}, "delayed answers (--fault)"},
    {Part::base, SYS_fstat, {}, "sizes of files and of guest memory"},
    {Part::base, SYS_newfstatat, all_of(3, AT_EMPTY_PATH), "fstat(2) of the C library"},
    {Part::base, SYS_statx, all_of(2, AT_EMPTY_PATH), "the identity of an open file"},
    {Part::base, SYS_fstatfs, {}, "the page size of guest memory, a disk's file system"},
    {Part::base, SYS_lseek, {}, "sizes; holes in files"},
    {Part::base, SYS_fcntl, is(1, F_GETFL), "flags of a front end's descriptors"},
    {Part::base, SYS_fcntl, is(1, F_SETFL), "flags of a front end's descriptors"},
    {Part::base, SYS_fcntl, is(1, F_GETFD), "the C library checks descriptors"},
    {Part::base, SYS_fcntl, is(1, F_SETFD), "the C library's directory streams"},
    {Part::base, SYS_fcntl, is(1, F_DUPFD_CLOEXEC), "copies of descriptors"},
    {Part::base, SYS_fcntl, is(1, F_GET_SEALS), "whether guest memory is memory, not a file"},
    {Part::base, SYS_fcntl, is(1, F_OFD_SETLK), "the writer's lock"},
    {Part::base, SYS_fcntl, is(1, F_OFD_GETLK), "the writer's lock"},
    {Part::base, SYS_flock, {}, "the end of a record's lock"},
    {Part::base, SYS_sendto, is(4, 0), "the service manager, connected sockets"},
    {Part::base, SYS_recvfrom, {}, "connected sockets; the broker's answer"},
    {Part::base, SYS_sendmsg, {}, "messages with descriptors; the broker's part of the filter"},
    {Part::base, SYS_io_uring_register, is(1, IORING_REGISTER_EVENTFD), "a queue's notifications"},
    {Part::base, SYS_io_uring_register, is(1, IORING_UNREGISTER_EVENTFD),
     "a queue's notifications"},
    {Part::base, SYS_io_uring_enter, {}, "every request; which operations, transports/ring says"},
    {Part::base, SYS_getcwd, {}, "the C++ library completes relative paths"},
    {Part::base, SYS_geteuid, {}, "users of the control socket"},
    {Part::base, SYS_uname, {}, "the C library and libseccomp ask for the kernel's version"},
    // ---- vhost-user.
    {Part::vhost_user, SYS_accept4, {}, "the next front end"},
    {Part::vhost_user, SYS_recvmsg, {}, "messages with descriptors"},
    {Part::vhost_user, SYS_getsockopt, {}, "who connected"},
    {Part::vhost_user, SYS_shutdown, {}, "the end of a session"},
    {Part::vhost_user, SYS_memfd_create, {}, "the record of requests in flight"},
    {Part::vhost_user, SYS_ftruncate, {}, "the record of requests in flight"},
    {Part::vhost_user, SYS_fcntl, is(1, F_ADD_SEALS), "the record of requests in flight"},
    // ---- VDUSE.
    {Part::vduse, SYS_ioctl, is(1, VDUSE_DESTROY_DEV), "the end of the device"},
    {Part::vduse, SYS_ioctl, is(1, VDUSE_IOTLB_GET_FD), "guest memory"},
    {Part::vduse, SYS_ioctl, is(1, VDUSE_DEV_GET_FEATURES), "features that the driver accepted"},
    {Part::vduse, SYS_ioctl, is(1, VDUSE_DEV_SET_CONFIG), "the configuration space"},
    {Part::vduse, SYS_ioctl, is(1, VDUSE_DEV_INJECT_CONFIG_IRQ), "the configuration changed"},
    {Part::vduse, SYS_ioctl, is(1, VDUSE_VQ_SETUP), "a queue's largest size"},
    {Part::vduse, SYS_ioctl, is(1, VDUSE_VQ_GET_INFO), "where a queue is"},
    {Part::vduse, SYS_ioctl, is(1, VDUSE_VQ_SETUP_KICKFD), "kicks"},
    {Part::vduse, SYS_ioctl, is(1, VDUSE_VQ_INJECT_IRQ), "notifications"},
    {Part::vduse, SYS_close_range, {}, "the thread that waits for the bus keeps no disk open"},
    {Part::vduse, SYS_unshare, is(0, CLONE_FILES), "the same, by older C libraries"},
    {Part::vduse, SYS_getdents64, {}, "the device's folder in /sys, the disk's users"},
    {Part::vduse, SYS_syncfs, {}, "file systems on the disk are written out before it goes"},
    {Part::vduse, SYS_fsync, {}, "the same for the disk"},
    {Part::vduse, SYS_pwrite64, {}, "the record of requests in flight"},
    // ---- An emulated disk.
    {Part::emulated, SYS_pread64, {}, "the table of zones"},
    {Part::emulated, SYS_preadv, {}, "reads"},
    {Part::emulated, SYS_preadv2, {}, "reads from the page cache"},
    {Part::emulated, SYS_pwrite64, {}, "the table of zones"},
    {Part::emulated, SYS_pwritev, {}, "writes"},
    {Part::emulated, SYS_fdatasync, {}, "flushes"},
    {Part::emulated, SYS_fsync, {}, "flushes that change the file's size"},
    {Part::emulated, SYS_fallocate, {}, "discards, resets, zeroes"},
    {Part::emulated, SYS_ftruncate, {}, "the file's length"},
    {Part::emulated, SYS_readv, {}, "zeroes from /dev/zero"},
    {Part::emulated, SYS_fadvise64, {}, "a disk that was not closed is read from the medium"},
    // ---- Block devices and plain files.
    {Part::block, SYS_ioctl, is(1, BLKREPORTZONE), "reports"},
    {Part::block, SYS_ioctl, is(1, report_from_memory), "reports that do not ask the disk"},
    {Part::block, SYS_ioctl, is(1, BLKRESETZONE), "resets"},
    {Part::block, SYS_ioctl, is(1, BLKOPENZONE), "open"},
    {Part::block, SYS_ioctl, is(1, BLKCLOSEZONE), "close"},
    {Part::block, SYS_ioctl, is(1, BLKFINISHZONE), "finish"},
    {Part::block, SYS_ioctl, is(1, BLKDISCARD), "discards"},
    {Part::block, SYS_ioctl, is(1, BLKGETSIZE64), "whether the disk still has its size"},
    {Part::block, SYS_fdatasync, {}, "the last flush"},
    {Part::block, SYS_fsync, {}, "the last flush"},
    {Part::block, SYS_pread64, {}, "the first block, when a disk is opened later"},
    // ---- SCSI commands.
    {Part::scsi, SYS_ioctl, is(1, SG_IO), "commands without io_uring"},
    // ---- NVMe commands.
    {Part::nvme, SYS_ioctl, is(1, NVME_IOCTL_ID), "the namespace, when it is opened later"},
    {Part::nvme, SYS_ioctl, is(1, NVME_IOCTL_ADMIN_CMD), "IDENTIFY"},
    {Part::nvme, SYS_ioctl, is(1, NVME_IOCTL_IO_CMD), "commands without io_uring"},
    {Part::nvme, SYS_ioctl, is(1, NVME_IOCTL_ADMIN64_CMD), "IDENTIFY"},
    {Part::nvme, SYS_ioctl, is(1, NVME_IOCTL_IO64_CMD), "commands without io_uring"},
    {Part::nvme, SYS_ioctl, is(1, nvme_vectored), "commands with scattered buffers"},
    // ---- Disks that are opened later.
    {Part::later_disks, SYS_prlimit64, is(2, 0), "how many descriptors there may be"},
    {Part::later_disks, SYS_getdents64, {}, "the disk's folders in /sys, its users in /proc"},
    {Part::later_disks, SYS_ioctl, is(1, BLKSECTGET), "an sg node's largest transfer"},
    {Part::later_disks, SYS_io_uring_register, is(1, IORING_REGISTER_RESTRICTIONS),
     "a ring to try commands with; the broker makes it, and limits it first"},
    {Part::later_disks, SYS_io_uring_register, is(1, IORING_REGISTER_ENABLE_RINGS),
     "a ring to try commands with"},
    // ---- AddressSanitizer and its leak checker, which stops all threads from a process that shares
    // their memory. Such a build is for tests only.
    {Part::sanitizer, SYS_clone, none_of(0, CLONE_THREAD), "the leak checker's tracer"},
    {Part::sanitizer, SYS_ptrace, {}, "the leak checker stops threads"},
    {Part::sanitizer, SYS_ioctl, is(1, TCGETS), "whether a report may have colours"},
    {Part::sanitizer, SYS_wait4, {}, "the leak checker's tracer"},
    {Part::sanitizer, SYS_prctl, {}, "the leak checker may be traced by its tracer"},
    {Part::sanitizer, SYS_getppid, {}, "the leak checker's tracer"},
    {Part::sanitizer, SYS_getdents, {}, "the leak checker lists threads"},
    {Part::sanitizer, SYS_getdents64, {}, "the leak checker lists threads"},
    {Part::sanitizer, SYS_pipe, {}, "checks that memory can be read"},
    {Part::sanitizer, SYS_pipe2, {}, "checks that memory can be read"},
    {Part::sanitizer, SYS_getrlimit, {}, "stacks"},
    {Part::sanitizer, SYS_prlimit64, {}, "stacks"},
    {Part::sanitizer, SYS_tkill, {}, "the leak checker stops threads"},
    {Part::sanitizer, SYS_rt_sigtimedwait, {}, "the leak checker's tracer"},
    {Part::sanitizer, SYS_arch_prctl, {}, "the tracer's thread pointer"},
};

constexpr CallRow with_path[] = {
    {Part::base, SYS_openat, {}, "files by their path"},
    {Part::base, SYS_open, {}, "files by their path"},
    {Part::base, SYS_newfstatat, none_of(3, AT_EMPTY_PATH), "a file's facts"},
    {Part::base, SYS_stat, {}, "a file's facts"},
    {Part::base, SYS_lstat, {}, "a file's facts"},
    {Part::base, SYS_statx, none_of(2, AT_EMPTY_PATH), "a file's facts"},
    {Part::base, SYS_readlink, {}, "where a link leads"},
    {Part::base, SYS_readlinkat, {}, "where a link leads"},
    {Part::base, SYS_access, {}, "whether a file is there"},
    {Part::base, SYS_faccessat, {}, "whether a file is there"},
    {Part::base, SYS_faccessat2, {}, "whether a file is there"},
    {Part::base, SYS_unlink, {}, "the removal of sockets at the end"},
    {Part::base, SYS_unlinkat, {}, "the removal of sockets at the end"},
};

}  // namespace

std::string Parts::words() const {
    constexpr std::array<std::pair<Part, std::string_view>, 8> names{{
        {Part::vhost_user, "vhost-user"},
        {Part::vduse, "VDUSE"},
        {Part::emulated, "emulated"},
        {Part::block, "block"},
        {Part::scsi, "scsi"},
        {Part::nvme, "nvme"},
        {Part::later_disks, "later disks"},
        {Part::sanitizer, "sanitizer"},
    }};
    std::string words;
    for (const auto& [part, name] : names) {
        if (!has(part)) continue;
        if (!words.empty()) words += ", ";
        words += name;
    }
    return words;
}

std::span<const CallRow> call_rows() noexcept {
    return rows;
}

std::span<const CallRow> path_rows() noexcept {
    return with_path;
}

}  // namespace zonebridge::service
