// A host file that fails when a test says so, and a fixture with a disk in one.
//
// Threads: as in File; any thread may set the faults.
// Ownership: owns the file it wraps; borrows its faults.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/transports/emulated/support.h"
#include "transports/emulated/disk.h"
#include "transports/emulated/file.h"
#include "transports/emulated/queue.h"

namespace zonebridge::emulated {

struct Faults {
    /// Writes past this offset fail with ENOSPC, as on a full file system.
    std::atomic<std::uint64_t> full_at = std::numeric_limits<std::uint64_t>::max();
    std::atomic<bool> punching_makes_room = false;
    std::atomic<bool> hold_punches = false;  ///< A punch waits until this is false again.
    std::atomic<bool> punching = false;      ///< A punch has begun and not ended.
    std::atomic<int> write_error = 0;
    std::atomic<int> sync_error = 0;
    std::atomic<int> read_error = 0;
    std::atomic<bool> cold = false;  ///< Reads find nothing in the page cache.
    std::atomic<std::uint64_t> syncs = 0;
    std::atomic<bool> no_mapping = false;  ///< As on a file system without shared mappings.
    std::atomic<bool> other_boot = false;  ///< As if the host had been restarted.
    std::atomic<bool> network = false;     ///< As on a file system that hosts share.
};

class FaultyFile final : public File {
  public:
    FaultyFile(std::unique_ptr<File> file, Faults& faults)
        : file_(std::move(file)), faults_(faults) {}

    Moved read(std::span<const iovec> to, std::uint64_t at) noexcept override {
        if (const int error = faults_.read_error) return tl::make_unexpected(error);
        return file_->read(to, at);
    }
    Moved read_cached(std::span<const iovec> to, std::uint64_t at) noexcept override {
        if (const int error = faults_.read_error) return tl::make_unexpected(error);
        if (faults_.cold) return tl::make_unexpected(EAGAIN);
        return file_->read_cached(to, at);
    }
    Moved write(std::span<const iovec> from, std::uint64_t at) noexcept override {
        if (const int error = faults_.write_error) return tl::make_unexpected(error);
        const std::uint64_t full_at = faults_.full_at;
        std::uint64_t length = 0;
        for (const auto& buffer : from) length += buffer.iov_len;
        if (at + length <= full_at) return file_->write(from, at);
        if (at >= full_at) return tl::make_unexpected(ENOSPC);
        const iovec first{from[0].iov_base, std::min<std::uint64_t>(from[0].iov_len, full_at - at)};
        return file_->write({&first, 1}, at);
    }
    Errno sync() noexcept override {
        ++faults_.syncs;
        if (const int error = faults_.sync_error) return error;
        return file_->sync();
    }
    Errno punch(std::uint64_t at, std::uint64_t length) noexcept override {
        faults_.punching = true;
        while (faults_.hold_punches) std::this_thread::yield();
        if (faults_.punching_makes_room)
            faults_.full_at = std::numeric_limits<std::uint64_t>::max();
        const auto error = file_->punch(at, length);
        faults_.punching = false;
        return error;
    }
    Errno zero(std::uint64_t at, std::uint64_t length) noexcept override {
        if (const int error = faults_.write_error) return error;
        if (at + length > faults_.full_at) return ENOSPC;
        return file_->zero(at, length);
    }
    tl::expected<std::uint64_t, int> size() noexcept override { return file_->size(); }
    Errno grow(std::uint64_t size) noexcept override { return file_->grow(size); }
    std::optional<std::uint64_t> next_data(std::uint64_t from) noexcept override {
        return file_->next_data(from);
    }
    std::optional<int> descriptor() const noexcept override { return file_->descriptor(); }
    Errno read_medium(std::span<std::uint8_t> to, std::uint64_t at) noexcept override {
        if (const int error = faults_.read_error) return error;
        return file_->read_medium(to, at);
    }
    void drop_cached() noexcept override { file_->drop_cached(); }
    std::span<std::byte> map(std::uint64_t at, std::uint64_t length) noexcept override {
        if (faults_.no_mapping) return {};
        return file_->map(at, length);
    }
    std::optional<FileInstance> instance() noexcept override {
        auto instance = file_->instance();
        if (instance && faults_.other_boot) instance->boot_id.fill(1);
        return instance;
    }
    bool shared_between_hosts() noexcept override { return faults_.network; }
    bool has_name() noexcept override { return file_->has_name(); }

  private:
    std::unique_ptr<File> file_;
    Faults& faults_;
};

/// A base of fixtures: a disk in such a file, with one queue.
class DiskInFaultyFile : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(create(path_, small_shape()));
        open();
    }
    void TearDown() override { kill(); }

    /// Opens the disk. Returns the error; empty if there is none.
    std::string try_to_open(Disk::Options options) {
        auto file = std::make_unique<FaultyFile>(
            host_file(::open(path_.c_str(), options.writable ? O_RDWR : O_RDONLY)), faults_);
        auto disk = open_disk(std::move(file), path_, options);
        if (!disk) return disk.error().message;
        disk_ = std::move(*disk);
        auto ring = Ring::create();
        if (!ring) return ring.error().message;
        ring_ = std::move(*ring);
        auto queue = DiskQueue::open(*ring_, *disk_, 64);
        if (!queue) return queue.error().message;
        driver_.emplace(std::move(*queue), *ring_);
        return {};
    }
    void open(Disk::Options options) { ASSERT_EQ(try_to_open(options), ""); }
    void open() { open(usual_); }
    /// Without closing the disk: as if the process had been killed.
    void kill() {
        driver_.reset();
        disk_.reset();
        ring_.reset();
    }

    Disk::Options usual_{.writable = true};
    ScratchFolder folder_;
    std::string path_ = folder_.file("disk");
    Faults faults_;
    std::unique_ptr<Ring> ring_;
    std::unique_ptr<Disk> disk_;
    std::optional<Driver> driver_;
};

}  // namespace zonebridge::emulated
