#include "tests/unit/transports/emulated/support.h"

#include <cstdlib>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace zonebridge::emulated {

ScratchFolder::ScratchFolder(Place place) {
    const std::filesystem::path memory = "/dev/shm";
    const auto in_memory = place == Place::memory && ::access(memory.c_str(), W_OK) == 0;
    const auto parent = in_memory ? memory : std::filesystem::temp_directory_path();
    auto name = (parent / "zonebridge-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Rig::Rig(const std::string& path, bool writable) {
    auto ring = Ring::create();
    if (!ring) throw std::runtime_error(ring.error().message);
    ring_ = std::move(*ring);
    auto transport = open(path, {writable});
    if (!transport) throw std::runtime_error(transport.error().message);
    transport_ = std::move(*transport);
    auto queue = transport_->open_queue(*ring_, {});
    if (!queue) throw std::runtime_error(queue.error().message);
    driver_ = std::make_unique<Driver>(std::move(*queue), *ring_);
}

Rig::~Rig() {
    driver_.reset();
}

tl::expected<void, Error> Rig::close() {
    driver_.reset();
    return transport_->close();
}

Shape small_shape() {
    Shape shape;
    shape.zone_size = 64 << 10;
    shape.size = shape.zone_size * 16 - (32 << 10);
    shape.zone_capacity = 48 << 10;
    shape.conventional = 2;
    return shape;
}

void DiskInFile::make(const Shape& shape) {
    const auto created = create(path_, shape);
    ASSERT_TRUE(created) << created.error().message;
    rig_.emplace(path_);
}

void DiskInFile::reopen() {
    ASSERT_TRUE(rig_->close());
    rig_.emplace(path_);
}

std::uint64_t DiskInFile::space_used() const {
    struct stat status {};
    EXPECT_EQ(::stat(path_.c_str(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace zonebridge::emulated
