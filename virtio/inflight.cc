#include "virtio/inflight.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::virtio {
namespace {

constexpr std::uint16_t layout_version = 1;
constexpr std::uint64_t queue_alignment = 64;

std::uint64_t queue_bytes(std::uint16_t queue_size) noexcept {
    const std::uint64_t bytes =
        sizeof(InflightHeader) + sizeof(InflightDescriptor) * std::uint64_t{queue_size};
    return (bytes + queue_alignment - 1) / queue_alignment * queue_alignment;
}

// After a crash of this process the record is valid only if another process sees its stores in
// order; a compiler barrier would do, and release costs the same here.
template <typename Word>
void store(Word& word, Word value) noexcept {
    std::atomic_ref(word).store(value, std::memory_order_release);
}

}  // namespace

InflightQueue::InflightQueue(std::byte* area, std::uint16_t descriptor_count)
    : header_(reinterpret_cast<InflightHeader*>(area)),
      descriptors_(reinterpret_cast<InflightDescriptor*>(area + sizeof(InflightHeader))),
      descriptor_count_(descriptor_count) {
    staged_.reserve(descriptor_count);
}

std::vector<std::uint16_t> InflightQueue::recover(std::uint16_t used_index, std::uint16_t size) {
    if (header_->version == 0) {
        header_->features = 0;
        header_->descriptor_count = descriptor_count_;
        header_->last_batch_head = 0;
        header_->used_index = used_index;
        store(header_->version, layout_version);
        return {};
    }
    // The last batch was published, but its heads were not all cleared: walk its list. The peer can
    // write this memory, so the walk is bounded by the table and checks every index.
    std::uint16_t head = header_->last_batch_head;
    const auto published = static_cast<std::uint16_t>(used_index - header_->used_index);
    for (std::uint32_t i = 0; i < std::min(published, size) && head < descriptor_count_; ++i) {
        store(descriptors_[head].in_flight, std::uint8_t{0});
        head = descriptors_[head].next;
    }
    store(header_->used_index, used_index);

    struct Taken {
        std::uint64_t counter;
        std::uint16_t head;
    };
    std::vector<Taken> taken;
    for (std::uint16_t i = 0; i < size; ++i)
        if (descriptors_[i].in_flight == 1) taken.push_back({descriptors_[i].counter, i});
    std::sort(taken.begin(), taken.end(), [](const Taken& left, const Taken& right) {
        return left.counter != right.counter ? left.counter < right.counter
                                             : left.head < right.head;
    });
    if (!taken.empty()) counter_ = taken.back().counter + 1;

    std::vector<std::uint16_t> heads;
    heads.reserve(taken.size());
    for (const Taken& one : taken) heads.push_back(one.head);
    return heads;
}

bool InflightQueue::any() const noexcept {
    return header_->version != 0 && std::any_of(descriptors_, descriptors_ + descriptor_count_,
                                                [](const auto& one) { return one.in_flight == 1; });
}

void InflightQueue::take(std::uint16_t head) noexcept {
    if (head >= descriptor_count_) return;
    descriptors_[head].counter = counter_++;
    store(descriptors_[head].in_flight, std::uint8_t{1});
}

void InflightQueue::stage(std::uint16_t head) noexcept {
    if (head >= descriptor_count_ || staged_.size() == staged_.capacity()) return;
    descriptors_[head].next = header_->last_batch_head;
    store(header_->last_batch_head, head);
    staged_.push_back(head);
}

void InflightQueue::publish(std::uint16_t used_index) noexcept {
    for (const std::uint16_t head : staged_) store(descriptors_[head].in_flight, std::uint8_t{0});
    staged_.clear();
    store(header_->used_index, used_index);
}

std::uint64_t InflightArea::size_for(std::uint16_t queues, std::uint16_t queue_size) noexcept {
    return queues * queue_bytes(queue_size);
}

tl::expected<UniqueFd, std::string> InflightArea::make(std::uint16_t queues,
                                                       std::uint16_t queue_size) {
    UniqueFd fd(::memfd_create("zonebridge-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size_for(queues, queue_size))) != 0 ||
        ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return tl::unexpected(fmt::format(
            "cannot create memory for the record of requests in flight: {}", std::strerror(errno)));
    return fd;
}

tl::expected<std::shared_ptr<const InflightArea>, std::string> InflightArea::map(
    int fd, std::uint64_t offset, std::uint64_t size, std::uint16_t queues,
    std::uint16_t queue_size) {
    if (queues == 0 || queue_size == 0 || size < size_for(queues, queue_size))
        return tl::unexpected(fmt::format(
            "record of requests in flight: {} bytes are too few for {} queues of {} descriptors, "
            "which take {}",
            size, queues, queue_size, size_for(queues, queue_size)));
    if (offset % alignof(InflightHeader) != 0)
        return tl::unexpected(fmt::format(
            "record of requests in flight: offset {:#x} is not a multiple of 8", offset));
    auto mapping = Mapping::map(fd, offset, size);
    if (!mapping) return tl::unexpected("record of requests in flight: " + mapping.error());
    return std::make_shared<const InflightArea>(std::move(*mapping), queues, queue_size);
}

InflightArea::InflightArea(std::shared_ptr<const Mapping> mapping, std::uint16_t queues,
                           std::uint16_t queue_size) noexcept
    : mapping_(std::move(mapping)), queues_(queues), queue_size_(queue_size) {}

InflightQueue InflightArea::queue(std::uint16_t index) const {
    return {mapping_->data() + index * queue_bytes(queue_size_), queue_size_};
}

}  // namespace zonebridge::virtio
