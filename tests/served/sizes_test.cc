// A disk without zones grows and shrinks while it is served: the guest is told, and nothing beyond
// the end is read or written.

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/served/blk_guest.h"

namespace zonebridge::test {
namespace {

namespace message = driver::message;

constexpr std::uint64_t size = 8 << 20;

/// A plain file, served by its name with block:.
class ServedFile {
  public:
    explicit ServedFile(const std::string& device) {
        std::ofstream(path()).close();
        std::filesystem::resize_file(path(), size);
        server_ = std::make_unique<Background>(
            std::vector<std::string>{"serve", "block:" + path(), "--virtio", device, "--socket",
                                     socket(), "--sandbox", "require"},
            std::vector<std::string>{}, log_path());
        if (server_->output_until("ready:").find("ready:") == std::string::npos)
            throw std::runtime_error("no server: " + read_file(log_path()));
    }
    void resize(std::uint64_t to) { std::filesystem::resize_file(path(), to); }
    [[nodiscard]] std::string path() const { return folder_ / "file"; }
    [[nodiscard]] std::string socket() const { return folder_ / "socket"; }
    /// Once the server has ended.
    [[nodiscard]] std::string log() const { return read_file(log_path()); }
    int stop() { return server_->stop(); }

  private:
    [[nodiscard]] std::string log_path() const { return folder_ / "log"; }

    TemporaryFolder folder_;
    std::unique_ptr<Background> server_;
};

TEST(ResizedDisk, OfABlkGuestIsAConfigurationChange) {
    ServedFile served("blk");
    BlkGuest guest(served.socket(), BlkGuest::wanted(blk::f_flush), {});
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    driver::Connection channel(pair[0]);
    must(guest.front_end.tell(message::set_backend_req_fd, {}, std::array{pair[1]}));
    ::close(pair[1]);
    EXPECT_EQ(guest.number(0, 8), size / 512);
    const auto data = bytes_of(piece, 1);
    EXPECT_EQ(must(guest.blk->write(size / 512, data)).status, blk::io_error);

    served.resize(2 * size);
    EXPECT_EQ(must(channel.receive()).request, message::backend_config_change);
    EXPECT_EQ(guest.number(0, 8), 2 * size / 512);
    EXPECT_EQ(must(guest.blk->write(size / 512, data)).status, blk::ok);
    EXPECT_EQ(must(guest.blk->read(size / 512, piece)).data, data);
    EXPECT_EQ(must(guest.blk->write(2 * size / 512, data)).status, blk::io_error);

    served.resize(size / 2);
    EXPECT_EQ(must(channel.receive()).request, message::backend_config_change);
    EXPECT_EQ(guest.number(0, 8), size / 2 / 512);
    EXPECT_EQ(must(guest.blk->read(size / 512, piece)).status, blk::io_error);
    EXPECT_EQ(must(guest.blk->write(size / 512, data)).status, blk::io_error);
    EXPECT_EQ(served.stop(), 0);
    EXPECT_EQ(std::filesystem::file_size(served.path()), size / 2) << "a write made it longer";
    EXPECT_NE(served.log().find("has grown from 8388608 to 16777216 bytes"), std::string::npos)
        << served.log();
    EXPECT_NE(served.log().find("has shrunk from 16777216 to 4194304 bytes"), std::string::npos)
        << served.log();
}

TEST(ResizedDisk, OfAScsiGuestIsAUnitAttention) {
    ServedFile served("scsi");
    Guest guest(served.socket());
    const auto block = must(guest.scsi->read_capacity()).block_size;
    EXPECT_EQ(must(guest.scsi->read_capacity()).last_lba, size / block - 1);
    const auto changed = [&] {
        const auto deadline = std::chrono::steady_clock::now() + driver::patience;
        while (std::chrono::steady_clock::now() < deadline) {
            const auto result = must(guest.scsi->test_unit_ready());
            if (!result.good()) return result.sense_code();
            ::usleep(100'000);
        }
        return 0U;
    };
    served.resize(2 * size);
    EXPECT_EQ(changed(), 0x062A09U);
    EXPECT_EQ(must(guest.scsi->read_capacity()).last_lba, 2 * size / block - 1);
    EXPECT_TRUE(must(guest.scsi->write(size / block, bytes_of(piece, 1), block)).good());
    served.resize(size / 2);
    EXPECT_EQ(changed(), 0x062A09U);
    EXPECT_EQ(must(guest.scsi->read_capacity()).last_lba, size / 2 / block - 1);
    EXPECT_EQ(must(guest.scsi->write(size / block, bytes_of(piece, 1), block)).sense_code(),
              0x052100U);
    EXPECT_EQ(served.stop(), 0);
}

}  // namespace
}  // namespace zonebridge::test
