#include "tests/unit/transports/emulated/lossy_store.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace zonebridge::emulated {

class LossyFile final : public File {
  public:
    explicit LossyFile(LossyStore& store) : store_(store) {}

    Moved read(std::span<const iovec> to, std::uint64_t at) noexcept override {
        const std::lock_guard guard(store_.lock_);
        std::size_t done = 0;
        for (const auto& buffer : to)
            for (std::size_t i = 0; i < buffer.iov_len;) {
                if (at >= store_.size_) return done;
                const auto within = at % LossyStore::sector_size;
                const auto piece = std::min<std::uint64_t>(
                    {buffer.iov_len - i, LossyStore::sector_size - within, store_.size_ - at});
                const auto sector = store_.content(at / LossyStore::sector_size);
                std::memcpy(static_cast<std::uint8_t*>(buffer.iov_base) + i, sector.data() + within,
                            piece);
                i += piece;
                at += piece;
                done += piece;
            }
        return done;
    }
    Moved read_cached(std::span<const iovec> to, std::uint64_t at) noexcept override {
        return read(to, at);
    }
    Moved write(std::span<const iovec> from, std::uint64_t at) noexcept override {
        std::unique_lock guard(store_.lock_);
        store_.enter(LossyStore::write, guard);
        if (store_.dead_) return tl::make_unexpected(EIO);
        const auto last = store_.count_change();
        std::size_t done = 0;
        for (const auto& buffer : from)
            for (std::size_t i = 0; i < buffer.iov_len;) {
                const auto within = at % LossyStore::sector_size;
                const auto piece =
                    std::min<std::uint64_t>(buffer.iov_len - i, LossyStore::sector_size - within);
                auto sector = store_.content(at / LossyStore::sector_size);
                std::memcpy(sector.data() + within,
                            static_cast<const std::uint8_t*>(buffer.iov_base) + i, piece);
                store_.put(at / LossyStore::sector_size, sector);
                i += piece;
                at += piece;
                done += piece;
            }
        store_.size_ = std::max(store_.size_, at);
        if (last) return tl::make_unexpected(EIO);
        return done;
    }
    Errno sync() noexcept override {
        std::unique_lock guard(store_.lock_);
        store_.enter(LossyStore::sync, guard);
        if (store_.dead_) return EIO;
        if (store_.count_change()) return EIO;
        for (const auto& [sector, versions] : store_.pending_)
            store_.durable_[sector] = versions.back();
        for (const auto& [sector, content] : store_.unsynced_stores())
            store_.durable_[sector] = content;
        store_.pending_.clear();
        store_.durable_size_ = store_.size_;
        return 0;
    }
    Errno punch(std::uint64_t at, std::uint64_t length) noexcept override {
        std::unique_lock guard(store_.lock_);
        store_.enter(LossyStore::punch, guard);
        if (store_.dead_) return EIO;
        const auto last = store_.count_change();
        const auto end = std::min(at + length, store_.size_);
        for (; at < end; at += LossyStore::sector_size)
            store_.put(at / LossyStore::sector_size, {});
        return last ? EIO : 0;
    }
    Errno zero(std::uint64_t at, std::uint64_t length) noexcept override {
        return punch(at, length);
    }
    tl::expected<std::uint64_t, int> size() noexcept override {
        const std::lock_guard guard(store_.lock_);
        return store_.size_;
    }
    Errno grow(std::uint64_t size) noexcept override {
        const std::lock_guard guard(store_.lock_);
        if (store_.dead_) return EIO;
        store_.size_ = std::max(store_.size_, size);
        return 0;
    }
    std::optional<std::uint64_t> next_data(std::uint64_t from) noexcept override {
        const std::lock_guard guard(store_.lock_);
        const auto first = from / LossyStore::sector_size;
        std::optional<std::uint64_t> found;
        for (const auto& [sector, content] : store_.durable_)
            if (sector >= first && !found) found = sector;
        for (const auto& [sector, versions] : store_.pending_)
            if (sector >= first && (!found || sector < *found)) found = sector;
        if (from < store_.mapped_at_ + store_.mapped_.size()) {
            const auto mapped = store_.mapped_at_ / LossyStore::sector_size;
            if (!found || mapped < *found) found = mapped;
        }
        if (!found) return std::nullopt;
        return std::max(from, *found * LossyStore::sector_size);
    }
    Errno read_medium(std::span<std::uint8_t> to, std::uint64_t at) noexcept override {
        return read_all(to, at);
    }
    void drop_cached() noexcept override {}
    std::span<std::byte> map(std::uint64_t at, std::uint64_t length) noexcept override {
        const std::lock_guard guard(store_.lock_);
        std::vector<std::uint8_t> mapped(length);
        for (std::uint64_t i = 0; i < length; i += LossyStore::sector_size) {
            const auto sector = store_.content((at + i) / LossyStore::sector_size);
            std::copy(sector.begin(), sector.end(), mapped.begin() + static_cast<long>(i));
        }
        store_.mapped_ = std::move(mapped);
        store_.mapped_at_ = at;
        return std::as_writable_bytes(std::span(store_.mapped_));
    }
    std::optional<FileInstance> instance() noexcept override {
        FileInstance instance;
        instance.boot_id.fill(store_.boot_);
        return instance;
    }
    bool shared_between_hosts() noexcept override { return false; }
    bool has_name() noexcept override { return true; }

  private:
    LossyStore& store_;
};

std::unique_ptr<File> LossyStore::file() {
    return std::make_unique<LossyFile>(*this);
}

void LossyStore::cut_after(std::uint64_t count) {
    const std::lock_guard guard(lock_);
    cut_at_ = changes_ + count;
}

bool LossyStore::dead() {
    const std::lock_guard guard(lock_);
    return dead_;
}

std::uint64_t LossyStore::changes() {
    const std::lock_guard guard(lock_);
    return changes_;
}

void LossyStore::enter(Change change, std::unique_lock<std::mutex>& guard) {
    if (std::this_thread::get_id() == owner_) return;
    wanted_ |= change;
    changed_.notify_all();
    changed_.wait(guard, [&] { return dead_ || (allowed_ & change) != 0; });
    wanted_ &= ~static_cast<unsigned>(change);
}

bool LossyStore::count_change() {
    if (!cut_at_ || ++changes_ < *cut_at_) {
        if (!cut_at_) ++changes_;
        return false;
    }
    dead_ = true;
    changed_.notify_all();
    return true;
}

LossyStore::Sector LossyStore::content(std::uint64_t sector) const {
    const auto at = sector * sector_size;
    if (at >= mapped_at_ && at < mapped_at_ + mapped_.size()) {
        Sector result;
        std::memcpy(result.data(), &mapped_[at - mapped_at_], result.size());
        return result;
    }
    if (const auto found = pending_.find(sector); found != pending_.end())
        return found->second.back();
    if (const auto found = durable_.find(sector); found != durable_.end()) return found->second;
    return {};
}

void LossyStore::put(std::uint64_t sector, const Sector& content) {
    pending_[sector].push_back(content);
}

// What was stored to the mapped part since the last sync.
std::map<std::uint64_t, LossyStore::Sector> LossyStore::unsynced_stores() const {
    std::map<std::uint64_t, Sector> stores;
    for (std::uint64_t i = 0; i < mapped_.size(); i += sector_size) {
        const auto sector = (mapped_at_ + i) / sector_size;
        const auto now = content(sector);
        const auto durable = durable_.find(sector);
        if (now != (durable == durable_.end() ? Sector{} : durable->second)) stores[sector] = now;
    }
    return stores;
}

std::unique_ptr<LossyStore> LossyStore::survivor(Random& random) {
    const std::lock_guard guard(lock_);
    auto result = std::make_unique<LossyStore>();
    result->durable_ = durable_;
    // The chance in percent that a sector keeps an unsynced version: from never to always.
    constexpr std::array odds = {0U, 10U, 50U, 90U, 100U};
    const auto keep = odds[random() % odds.size()];
    const auto any_version = random() % 2 == 0;
    auto size = durable_size_;
    for (const auto& [sector, versions] : pending_) {
        if (random() % 100 >= keep) continue;
        result->durable_[sector] =
            any_version ? versions[random() % versions.size()] : versions.back();
        size = std::max(size, std::min(size_, (sector + 1) * sector_size));
    }
    for (const auto& [sector, content] : unsynced_stores())
        if (random() % 100 < keep) result->durable_[sector] = content;
    result->boot_ = static_cast<std::uint8_t>(boot_ + 1);
    if (random() % 2 == 0) size = size_;
    result->size_ = result->durable_size_ = size;
    return result;
}

std::unique_ptr<LossyStore> LossyStore::after_kill() {
    const std::lock_guard guard(lock_);
    auto result = std::make_unique<LossyStore>();
    result->durable_ = durable_;
    result->pending_ = pending_;
    for (const auto& [sector, content] : unsynced_stores())
        result->pending_[sector].push_back(content);
    result->boot_ = boot_;
    result->size_ = size_;
    result->durable_size_ = durable_size_;
    return result;
}

void LossyStore::allow(unsigned changes) {
    const std::lock_guard guard(lock_);
    allowed_ = changes;
    changed_.notify_all();
}

void LossyStore::hold() {
    allow(0);
}

void LossyStore::wait_until_wanted(Change change) {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return dead_ || (wanted_ & change) != 0; });
}

}  // namespace zonebridge::emulated
