#include "virtio/memory.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::virtio {
namespace {

constexpr auto last_address = std::numeric_limits<std::uint64_t>::max();

std::string describe(const MemoryRegion& region) {
    return fmt::format("memory region at guest address {:#x} of {:#x} bytes", region.guest_address,
                       region.size);
}

/// Checks of a region that do not depend on its file.
tl::expected<void, std::string> check(const MemoryRegion& region) {
    if (region.size == 0) return tl::unexpected(describe(region) + ": it is empty");
    if (region.size > last_address - region.guest_address)
        return tl::unexpected(describe(region) + ": its guest addresses overflow");
    if (region.size > last_address - region.user_address)
        return tl::unexpected(describe(region) + fmt::format(": its user addresses overflow from "
                                                             "{:#x}",
                                                             region.user_address));
    return {};
}

}  // namespace

GuestMemory::GuestMemory() noexcept : faults_when_built_(sigbus_faults()) {}

GuestMemory::Table GuestMemory::none() {
    return from({}).value();  // Nothing of it can fail.
}

tl::expected<GuestMemory::Table, std::string> GuestMemory::from(std::vector<Region> regions) {
    if (regions.size() > max_regions)
        return tl::unexpected(fmt::format("{} memory regions are too many: at most {} are allowed",
                                          regions.size(), max_regions));
    std::sort(regions.begin(), regions.end(), [](const Region& left, const Region& right) {
        return left.guest_address < right.guest_address;
    });
    for (std::size_t i = 1; i < regions.size(); ++i) {
        const Region& before = regions[i - 1];
        const Region& region = regions[i];
        if (region.guest_address - before.guest_address < before.size)
            return tl::unexpected(fmt::format(
                "memory regions overlap: {:#x} bytes at guest address {:#x}, and {:#x} bytes at "
                "{:#x}",
                before.size, before.guest_address, region.size, region.guest_address));
    }
    struct Made : GuestMemory {};
    // Reads the count of faults before mapping: broken() then sees every later one.
    auto table = std::make_shared<Made>();
    static_cast<GuestMemory&>(*table).regions_ = std::move(regions);
    if (table->any_mapping_broken())
        return tl::unexpected(std::string("the front end truncated memory that it shares"));
    return table;
}

tl::expected<GuestMemory::Table, std::string> GuestMemory::build(
    std::span<const MemoryRegionSource> sources, const GuestMemory& previous) {
    std::vector<Region> regions;
    for (const MemoryRegionSource& source : sources) {
        const MemoryRegion& region = source.region;
        if (auto good = check(region); !good) return tl::unexpected(std::move(good.error()));
        const auto kept = std::find_if(
            previous.regions_.begin(), previous.regions_.end(), [&](const Region& old) {
                return !old.mapping->broken() &&
                       old.mapping->writable() == source.options.writable &&
                       old.mapping->is(source.fd, region.mmap_offset, region.size);
            });
        auto mapping =
            kept != previous.regions_.end()
                ? tl::expected<std::shared_ptr<const Mapping>, std::string>(kept->mapping)
                : Mapping::map(source.fd, region.mmap_offset, region.size, source.options);
        if (!mapping) return tl::unexpected(describe(region) + ": " + mapping.error());
        regions.push_back({region.guest_address, region.size, region.user_address,
                           (*mapping)->data(), std::move(*mapping)});
    }
    return from(std::move(regions));
}

tl::expected<GuestMemory::Table, std::string> GuestMemory::with(
    const MemoryRegionSource& source) const {
    const auto& [region, fd, options] = source;
    if (auto good = check(region); !good) return tl::unexpected(std::move(good.error()));
    if (regions_.size() >= max_regions)
        return tl::unexpected(describe(region) +
                              fmt::format(": all {} memory slots are taken", max_regions));
    auto mapping = Mapping::map(fd, region.mmap_offset, region.size, options);
    if (!mapping) return tl::unexpected(describe(region) + ": " + mapping.error());
    auto regions = regions_;
    regions.push_back({region.guest_address, region.size, region.user_address, (*mapping)->data(),
                       std::move(*mapping)});
    return from(std::move(regions));
}

tl::expected<GuestMemory::Table, std::string> GuestMemory::without(
    const MemoryRegion& region) const {
    auto regions = regions_;
    const auto same = [&](const Region& other) {
        return other.guest_address == region.guest_address && other.size == region.size &&
               other.user_address == region.user_address;
    };
    if (std::erase_if(regions, same) == 0)
        return tl::unexpected(describe(region) + ": there is no such region to remove");
    return from(std::move(regions));
}

const GuestMemory::Region* GuestMemory::containing(std::uint64_t address,
                                                   Hint& hint) const noexcept {
    const auto above = std::upper_bound(
        regions_.begin(), regions_.end(), address,
        [](std::uint64_t value, const Region& region) { return value < region.guest_address; });
    if (above == regions_.begin()) return nullptr;
    const Region& region = *(above - 1);
    if (address - region.guest_address >= region.size) return nullptr;
    hint = {region.guest_address, region.size, region.host, region.mapping->writable()};
    return &region;
}

std::byte* GuestMemory::find(std::uint64_t address, std::uint64_t length,
                             Hint& hint) const noexcept {
    const Region* const region = containing(address, hint);
    if (region == nullptr) return nullptr;
    const std::uint64_t offset = address - region->guest_address;
    return length <= region->size - offset ? region->host + offset : nullptr;
}

std::optional<std::size_t> GuestMemory::translate_pieces(std::uint64_t address,
                                                         std::uint64_t length, std::span<iovec> out,
                                                         Hint& hint, Access access) const noexcept {
    std::size_t count = 0;
    while (length > 0) {
        const Region* const region = containing(address, hint);
        if (region == nullptr || count == out.size()) return std::nullopt;
        if (access == Access::write && !region->mapping->writable()) return std::nullopt;
        const std::uint64_t offset = address - region->guest_address;
        const std::uint64_t piece = std::min(length, region->size - offset);
        out[count++] = {region->host + offset, piece};
        // A region's end never overflows, so neither does this sum.
        address += piece;
        length -= piece;
    }
    return count;
}

bool GuestMemory::read(std::uint64_t address, std::span<std::byte> out, Hint& hint) const noexcept {
    while (!out.empty()) {
        const Region* const region = containing(address, hint);
        if (region == nullptr) return false;
        const std::uint64_t offset = address - region->guest_address;
        const std::size_t piece = std::min<std::uint64_t>(out.size(), region->size - offset);
        std::memcpy(out.data(), region->host + offset, piece);
        address += piece;
        out = out.subspan(piece);
    }
    return true;
}

std::byte* GuestMemory::translate_user(std::uint64_t address, std::uint64_t length,
                                       Access access) const noexcept {
    for (const Region& region : regions_) {
        const std::uint64_t offset = address - region.user_address;
        if (offset < region.size && length <= region.size - offset)
            return access == Access::read || region.mapping->writable() ? region.host + offset
                                                                        : nullptr;
    }
    return nullptr;
}

std::optional<std::uint64_t> GuestMemory::guest_address(const void* host) const noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(host);
    for (const Region& region : regions_) {
        const auto begin = reinterpret_cast<std::uintptr_t>(region.host);
        if (address >= begin && address - begin < region.size)
            return region.guest_address + (address - begin);
    }
    return std::nullopt;
}

std::uint64_t GuestMemory::end() const noexcept {
    return regions_.empty() ? 0 : regions_.back().guest_address + regions_.back().size;
}

bool GuestMemory::any_mapping_broken() const noexcept {
    return std::any_of(regions_.begin(), regions_.end(),
                       [](const Region& region) { return region.mapping->broken(); });
}

}  // namespace zonebridge::virtio
