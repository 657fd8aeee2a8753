#include "tests/driver/profile.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <initializer_list>
#include <thread>

namespace zonebridge::driver {
namespace {

constexpr std::uint64_t bits(std::initializer_list<unsigned> numbers) {
    std::uint64_t all = 0;
    for (const auto number : numbers) all |= std::uint64_t{1} << number;
    return all;
}

constexpr std::uint32_t page = 4096;
constexpr std::uint32_t KiB = 1024;
constexpr std::uint32_t MiB = 1024 * KiB;

using enum Profile::Kind;
using enum Profile::Waits;

constexpr std::array table{
    // ---- virtio-blk
    Profile{.name = "Linux",
            .kind = blk,
            .source = "linux 6.12 drivers/block/virtio_blk.c",
            .features = bits({1, 2, 5, 6, 9, 10, 11, 12, 13, 14, 16, 28, 29, 32}),
            .ring = 256,
            .indirect = true,
            .buffers = 254,
            .buffer_size = page,
            .most_transfer = 254 * page},
    Profile{.name = "WindowsViostor",
            .kind = blk,
            .source = "virtio-win/kvm-guest-drivers-windows fbcc19d7 viostor/",
            .features = bits({1, 2, 4, 5, 6, 9, 11, 12, 13, 14, 27, 28, 29, 32, 33, 34}),
            .ring = 256,
            .indirect = true,
            .buffers = 254,
            .buffer_size = page,
            .most_transfer = 253 * page},
    Profile{.name = "WindowsViostorWithoutSegMax",
            .kind = blk,
            .source = "virtio-win/kvm-guest-drivers-windows fbcc19d7 viostor/, issue 578",
            .features = bits({5, 6, 9, 28, 29, 32}),
            .ring = 128,
            .indirect = true,
            .buffers = 513,
            .buffer_size = page,
            .most_transfer = 2 * MiB},
    Profile{.name = "FreeBSD",
            .kind = blk,
            .source = "freebsd-src 03609e08 sys/dev/virtio/block/virtio_blk.c",
            .features = bits({1, 2, 4, 5, 6, 9, 10, 11, 13, 28, 32}),
            .ring = 256,
            .indirect = true,
            .buffers = 254,
            .buffer_size = page,
            .most_transfer = MiB - page,
            .ioprio = 1},
    Profile{.name = "FreeBSDTransitional",
            .kind = blk,
            .source = "freebsd-src 03609e08 sys/dev/virtio/block/virtio_blk.c, as a legacy driver",
            .features = bits({0, 1, 2, 4, 5, 6, 9, 10, 28}),
            .ring = 128,
            .indirect = true,
            .buffers = 126,
            .buffer_size = page,
            .most_transfer = 123 * page,
            .ioprio = 1},
    Profile{.name = "OpenBSD",
            .kind = blk,
            .source = "openbsd/src a454aff3 sys/dev/pv/vioblk.c",
            .features = bits({1, 2, 5, 9, 24, 28, 29, 32}),
            .ring = 128,
            .buffers = 17,
            .buffer_size = page,
            .most_transfer = 64 * KiB},
    Profile{.name = "NetBSD",
            .kind = blk,
            .source = "NetBSD/src 022006e2 sys/dev/pci/ld_virtio.c",
            .features = bits({1, 2, 4, 5, 6, 9, 10, 11, 13, 28, 29, 32}),
            .ring = 128,
            .indirect = true,
            .buffers = 17,
            .buffer_size = page,
            .most_transfer = 64 * KiB},
    Profile{.name = "Illumos",
            .kind = blk,
            .source = "illumos-gate 2576e7a5 usr/src/uts/common/io/vioblk/",
            .features = bits({1, 5, 6, 9, 10, 13, 28, 32}),
            .ring = 256,
            .indirect = true,
            .buffers = 128,
            .buffer_size = page,
            .most_transfer = 512 * KiB},
    Profile{.name = "Edk2",
            .kind = blk,
            .source = "tianocore/edk2 c5aa7e7d OvmfPkg/VirtioBlkDxe",
            .features = bits({5, 6, 9, 10, 32, 33}),
            .ring = 256,
            .waits = polls},
    Profile{.name = "Edk2Legacy",
            .kind = blk,
            .source = "tianocore/edk2 c5aa7e7d OvmfPkg/VirtioBlkDxe, on a transitional device",
            .features = bits({5, 6, 9, 10}),
            .ring = 256,
            .waits = polls},
    Profile{.name = "SeaBios",
            .kind = blk,
            .source = "coreboot/seabios 41514a7a src/hw/virtio-blk.c",
            .features = bits({1, 2, 6, 32, 33}),
            .ring = 256,
            .waits = polls,
            .most_transfer = 64 * 512,
            .unaligned_header = true},
    Profile{.name = "SeaBiosLegacy",
            .kind = blk,
            .source = "coreboot/seabios 41514a7a src/hw/virtio-blk.c, on a transitional device",
            .features = 0,
            .ring = 256,
            .waits = polls,
            .most_transfer = 64 * 512,
            .unaligned_header = true},
    Profile{.name = "UBoot",
            .kind = blk,
            .source = "u-boot 03de305e drivers/virtio/virtio_blk.c",
            .features = bits({32, 33}),
            .ring = 32,
            .waits = polls},
    Profile{.name = "Zephyr",
            .kind = blk,
            .source = "zephyr 2c2d4834 drivers/disk/virtio_blk.c",
            .features = bits({2, 5, 6, 9, 32}),
            .ring = 32,
            .buffers = 30,
            .buffer_size = page,
            .most_transfer = 29 * page},
    Profile{.name = "Spdk",
            .kind = blk,
            .source = "spdk 3230130e module/bdev/virtio/bdev_virtio_blk.c",
            .features = bits({1, 2, 5, 6, 9, 10, 12, 13, 29, 32}),
            .ring = 256,
            .waits = polls,
            .buffers = 254,
            .buffer_size = page,
            .most_transfer = 254 * page},
    Profile{.name = "RustHypervisorFirmware",
            .kind = blk,
            .source = "rust-hypervisor-firmware src/block.rs",
            .features = bits({32}),
            .ring = 16,
            .waits = polls,
            .most_transfer = 512},
    // ---- virtio-scsi
    Profile{.name = "Linux",
            .kind = scsi,
            .source = "linux 6.12 drivers/scsi/virtio_scsi.c",
            .features = bits({1, 2, 28, 29, 32}),
            .indirect = true,
            .buffers = 126,
            .buffer_size = page,
            .most_transfer = 125 * page},
    Profile{.name = "WindowsVioscsi",
            .kind = scsi,
            .source = "virtio-win/kvm-guest-drivers-windows fbcc19d7 vioscsi/",
            .features = bits({1, 2, 27, 28, 29, 32, 33, 34}),
            .indirect = true,
            .buffers = 513,
            .buffer_size = page,
            .most_transfer = 2 * MiB,
            .flat_lun = true},
    Profile{.name = "FreeBSD",
            .kind = scsi,
            .source = "freebsd-src 03ccfdd2 sys/dev/virtio/scsi/virtio_scsi.c",
            .features = bits({1, 28, 32}),
            .indirect = true,
            .buffers = 256,
            .buffer_size = page,
            .most_transfer = MiB - page},
    Profile{.name = "OpenBSD",
            .kind = scsi,
            .source = "openbsd/src a454aff3 sys/dev/pv/vioscsi.c",
            .features = bits({28, 32}),
            .buffers = 17,
            .buffer_size = page,
            .most_transfer = 64 * KiB},
    Profile{.name = "NetBSD",
            .kind = scsi,
            .source = "NetBSD/src e7f1a477 sys/dev/pci/vioscsi.c",
            .features = bits({28, 32}),
            .indirect = true,
            .buffers = 17,
            .buffer_size = page,
            .most_transfer = 64 * KiB},
    Profile{.name = "Illumos",
            .kind = scsi,
            .source = "illumos-gate 06d7f587 usr/src/uts/common/io/vioscsi/",
            .features = bits({0, 1, 28, 32}),
            .indirect = true,
            .buffers = 124,
            .buffer_size = page,
            .most_transfer = 123 * page},
    Profile{.name = "Edk2",
            .kind = scsi,
            .source = "tianocore/edk2 c5aa7e7d OvmfPkg/VirtioScsiDxe",
            .features = bits({0, 32, 33}),
            .waits = polls,
            .most_transfer = 0xFFFF / 2 * 512,
            .other_queues = false},
    Profile{.name = "Edk2Legacy",
            .kind = scsi,
            .source = "tianocore/edk2 c5aa7e7d OvmfPkg/VirtioScsiDxe, on a transitional device",
            .features = bits({0}),
            .waits = polls,
            .most_transfer = 0xFFFF / 2 * 512,
            .other_queues = false},
    Profile{.name = "SeaBios",
            .kind = scsi,
            .source = "coreboot/seabios 41514a7a src/hw/virtio-scsi.c",
            .features = bits({32, 33}),
            .waits = polls,
            .most_transfer = 64 * 512,
            .other_queues = false,
            .unaligned_header = true},
    Profile{.name = "SeaBiosLegacy",
            .kind = scsi,
            .source = "coreboot/seabios 41514a7a src/hw/virtio-scsi.c, on a transitional device",
            .features = 0,
            .waits = polls,
            .most_transfer = 64 * 512,
            .other_queues = false,
            .unaligned_header = true},
    Profile{.name = "Spdk",
            .kind = scsi,
            .source = "spdk 3230130e module/bdev/virtio/bdev_virtio_scsi.c",
            .features = bits({0, 1, 29, 32}),
            .waits = polls,
            .buffers = 120,
            .buffer_size = page,
            .most_transfer = 119 * page,
            .flat_lun = true},
};

}  // namespace

std::span<const Profile> profiles() noexcept {
    return table;
}

Result<ProfiledQueue> ProfiledQueue::start(const Profile& profile, FrontEnd& front_end,
                                           SharedMemory& memory, std::uint16_t index) {
    ProfiledQueue made;
    made.profile_ = &profile;
    RingOptions options{.size = profile.ring, .event_index = true};  // as negotiated
    // Header and response, and the data.
    if (profile.indirect)
        options.indirect_entries = static_cast<std::uint16_t>(profile.buffers + 3);
    auto queue = front_end.start_queue(index, memory, options);
    if (!queue) return tl::unexpected(queue.error());
    made.queue_ = *queue;
    made.head_ = memory.allocate(128, 64);
    if (profile.unaligned_header) {
        ++made.head_.address;
        ++made.head_.host;
        --made.head_.size;
    }
    made.tail_ = memory.allocate(256, 64);
    made.data_ = memory.allocate(profile.most_transfer, page);
    if (profile.waits == Profile::Waits::polls) made.queue_->ring.disarm();
    return made;
}

void ProfiledQueue::add_data(std::vector<Buffer>& chain, std::uint64_t length,
                             bool device_writes) const {
    const std::uint64_t size = profile_->buffer_size == 0 ? length : profile_->buffer_size;
    for (std::uint64_t at = 0; at < length; at += size)
        chain.push_back({data_.address + at,
                         static_cast<std::uint32_t>(std::min(size, length - at)), device_writes});
}

Result<Bytes> ProfiledQueue::run(std::span<const std::byte> head,
                                 std::span<const std::byte> data_out, std::span<std::byte> data_in,
                                 std::uint32_t tail) {
    std::memcpy(head_.host, head.data(), head.size());
    std::memset(tail_.host, 0xEE, tail);
    std::vector<Buffer> chain{{head_.address, static_cast<std::uint32_t>(head.size()), false}};
    if (!data_out.empty()) {
        std::memcpy(data_.host, data_out.data(), data_out.size());
        add_data(chain, data_out.size(), false);
    }
    const Buffer response{tail_.address, tail, true};
    if (profile_->kind == Profile::Kind::scsi) chain.push_back(response);
    if (!data_in.empty()) {
        std::memset(data_.host, 0xEE, data_in.size());
        add_data(chain, data_in.size(), true);
    }
    if (profile_->kind == Profile::Kind::blk) chain.push_back(response);

    if (profile_->waits == Profile::Waits::interrupt) {
        if (auto done = queue_->run(chain); !done) return tl::unexpected(done.error());
    } else {
        if (!queue_->ring.add(chain)) return tl::unexpected(std::string("the ring is full"));
        queue_->submit();
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (!queue_->ring.take_used()) {
            if (std::chrono::steady_clock::now() > deadline)
                return tl::unexpected(std::string("no completion in time"));
            std::this_thread::yield();
        }
    }
    std::copy_n(data_.host, data_in.size(), data_in.begin());
    return Bytes(tail_.host, tail_.host + tail);
}

}  // namespace zonebridge::driver
