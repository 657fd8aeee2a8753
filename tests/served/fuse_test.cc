// Memory in a file of a file system that the front end itself serves (FUSE), and which stops to
// answer: the server asks for nothing there that it can't do without.

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string>
#include <sys/mount.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

namespace message = driver::message;

/// A file system with one file, "memory", of 16 MiB.
class OwnFileSystem {
  public:
    static constexpr std::uint64_t size = 16u << 20;

    explicit OwnFileSystem(std::string folder)
        : folder_(std::move(folder)), device_(::open("/dev/fuse", O_RDWR | O_CLOEXEC)) {
        const auto options =
            "fd=" + std::to_string(device_) + ",rootmode=40000,user_id=0,group_id=0,allow_other";
        mounted_ = device_ >= 0 &&
                   ::mount("zonebridge-test", folder_.c_str(), "fuse", 0, options.c_str()) == 0;
        if (mounted_) server_ = std::thread([this] { serve(); });
    }
    OwnFileSystem(const OwnFileSystem&) = delete;
    OwnFileSystem& operator=(const OwnFileSystem&) = delete;
    ~OwnFileSystem() { end(); }

    [[nodiscard]] bool mounted() const noexcept { return mounted_; }
    /// From here on nothing gets an answer.
    void fall_silent() { silent_ = true; }
    void refuse_statfs() { refuses_statfs_ = true; }
    /// Ends the file system, and with it every wait for an answer.
    void end() {
        // Detaching ends nothing as long as the file is open; an abort does.
        if (mounted_) {
            silent_ = true;
            ::umount2(folder_.c_str(), MNT_FORCE | MNT_DETACH);
            mounted_ = false;
        }
        if (server_.joinable()) server_.join();
        if (device_ >= 0) ::close(std::exchange(device_, -1));
    }

  private:
    static fuse_attr attributes(std::uint64_t node) {
        fuse_attr attr{};
        attr.ino = node;
        attr.mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0600;
        attr.size = node == 1 ? 0 : size;
        attr.nlink = 1;
        return attr;
    }
    template <typename Answer>
    void answer(std::uint64_t unique, const Answer& body) const {
        std::vector<char> bytes(sizeof(fuse_out_header) + sizeof body);
        const fuse_out_header head{static_cast<std::uint32_t>(bytes.size()), 0, unique};
        std::memcpy(bytes.data(), &head, sizeof head);
        std::memcpy(bytes.data() + sizeof head, &body, sizeof body);
        (void)!::write(device_, bytes.data(), bytes.size());
    }
    void refuse(std::uint64_t unique) const {
        const fuse_out_header head{sizeof head, -ENOSYS, unique};
        (void)!::write(device_, &head, sizeof head);
    }
    void serve() const {
        std::vector<char> bytes(1u << 18);
        for (;;) {
            const auto got = ::read(device_, bytes.data(), bytes.size());
            if (got < 0 && errno == EINTR) continue;
            if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) return;
            if (silent_) continue;
            fuse_in_header head{};
            std::memcpy(&head, bytes.data(), sizeof head);
            switch (head.opcode) {
                case FUSE_INIT: {
                    fuse_init_out init{};
                    init.major = FUSE_KERNEL_VERSION;
                    init.minor = FUSE_KERNEL_MINOR_VERSION;
                    init.max_write = 4096;
                    answer(head.unique, init);
                    break;
                }
                case FUSE_LOOKUP: {
                    fuse_entry_out entry{};
                    entry.nodeid = 2;
                    entry.entry_valid = 3600;
                    entry.attr = attributes(2);
                    answer(head.unique, entry);
                    break;
                }
                case FUSE_GETATTR: {
                    fuse_attr_out out{};
                    out.attr = attributes(head.nodeid);
                    answer(head.unique, out);
                    break;
                }
                case FUSE_STATFS:
                    // One that does not say what it is, or one that does.
                    if (refuses_statfs_)
                        refuse(head.unique);
                    else
                        answer(head.unique, fuse_statfs_out{});
                    break;
                case FUSE_OPEN:
                    answer(head.unique, fuse_open_out{});
                    break;
                case FUSE_FORGET:
                case FUSE_BATCH_FORGET:
                case FUSE_INTERRUPT:
                    break;
                default:
                    refuse(head.unique);
            }
        }
    }

    std::string folder_;
    int device_;
    bool mounted_ = false;
    std::atomic<bool> silent_ = false;
    std::atomic<bool> refuses_statfs_ = false;
    std::thread server_;
};

struct Behaviour {
    const char* name;
    void (*begin)(OwnFileSystem&);
    const char* words;  ///< In the server's log.
};

class OwnMemory : public testing::TestWithParam<Behaviour> {};

TEST_P(OwnMemory, OfAFrontEndsFileSystemIsRefusedWithoutAWait) {
    ServedDisk served({"--queues", "2"}, "scsi", {}, ServedDisk::Log::kept);
    const TemporaryFolder folder;
    OwnFileSystem files(folder.path());  // ends before the server, which could not end before
    if (!files.mounted()) GTEST_SKIP() << "needs root and FUSE: " << std::strerror(errno);
    const int file = ::open((folder / "memory").c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(file, 0) << std::strerror(errno);
    GetParam().begin(files);
    {
        Guest guest(served);
        // A region behind the guest's own.
        const std::array fds{file};
        ASSERT_TRUE(guest.front_end.connection().send(
            message::add_mem_reg,
            driver::pack(std::uint64_t{0}, std::uint64_t{1} << 32, OwnFileSystem::size,
                         std::uint64_t{1} << 40, std::uint64_t{0}),
            fds));
        EXPECT_TRUE(guest.front_end.connection().closed()) << "the session did not end";
    }
    {
        Guest next(served);
        EXPECT_TRUE(must(next.scsi->test_unit_ready()).good());
    }
    files.end();  // else neither this process nor the server could close the file
    ::close(file);
    EXPECT_EQ(served.stop(), 0);
    EXPECT_NE(served.log().find(GetParam().words), std::string::npos) << served.log();
}

const Behaviour behaviours[] = {
    {"answers", [](OwnFileSystem&) {}, "a program serves (FUSE)"},
    {"says_not_what_it_is", [](OwnFileSystem& files) { files.refuse_statfs(); },
     "cannot examine its file descriptor"},
    {"falls_silent", [](OwnFileSystem& files) { files.fall_silent(); }, "does not answer"},
};

INSTANTIATE_TEST_SUITE_P(Peers, OwnMemory, testing::ValuesIn(behaviours),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace zonebridge::test
