#include "service/lun_table.h"

#include <bit>
#include <cerrno>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "service/log.h"

namespace zonebridge::service {
namespace {

using std::chrono::milliseconds;

// A notified guest writes out its caches and releases the disk at once; then there is nothing to
// wait for.
constexpr milliseconds quiet_enough{1000};
constexpr milliseconds longest_goodbye{10'000};
constexpr milliseconds between_looks{50};

// The kernel may hold a device a moment longer than this process, for requests that went through a
// ring.
constexpr milliseconds longest_letting_go{2'000};

tl::unexpected<Error> refused(std::string message) {
    return tl::unexpected(Error{StatusCode::invalid_request, std::move(message), {}});
}

/// Why `after` can't replace `before` under the same number; empty if it can. The guest's requests
/// in flight and cached data would go to the wrong places.
/// `opened_size`: that of the disk when it was opened last.
std::string difference(const LunInfo& before, const LunInfo& after, std::uint64_t opened_size) {
    const auto& [old_limits, new_limits] = std::pair{before.limits, after.limits};
    const auto& [old_name, new_name] = std::pair{before.identity, after.identity};
    if (old_limits.model != new_limits.model) return "its zone model has changed";
    if (old_limits.logical_block_size != new_limits.logical_block_size)
        return "its block size has changed";
    if (old_limits.layout.zone_size() != new_limits.layout.zone_size())
        return "its zone size has changed";
    if (before.passed_through != after.passed_through || old_name.transport != new_name.transport)
        return "it is reached in another way now";
    // A disk without a unique name is identified by its size, too.
    const auto other_name = old_name.unique_id != new_name.unique_id &&
                            (opened_size == new_limits.size() || !old_name.serial.empty());
    if (old_name.vendor != new_name.vendor || old_name.product != new_name.product ||
        old_name.serial != new_name.serial || other_name)
        return "it is another disk now";
    return {};
}

}  // namespace

void warn_of_odd_zones(const std::string& device, const Layout& layout) {
    if (layout.zone_count() == 0 || std::has_single_bit(layout.zone_size())) return;
    log("{}: the zone size of {} bytes is not a power of two: a Linux guest will refuse the zones. "
        "Programs on this host can use the disk by Zonebridge's own commands and library",
        device, layout.zone_size());
}

LunTable::LunTable(DiskOptions options, RefusalsOf refusals, milliseconds limit)
    : options_(std::move(options)), refusals_(std::move(refusals)), limit_(limit) {}

LunTable::~LunTable() = default;

tl::expected<LunTable::Lun, Error> LunTable::open_lun(const std::string& device,
                                                      const DiskOptions& options) const {
    if (budget_ != nullptr)
        if (auto enough = budget_->check(luns_.size() + 1); !enough)
            return tl::unexpected(std::move(enough.error()));
    auto disk = GuestDisk::open(device, options);
    if (!disk) return tl::unexpected(std::move(disk.error()));
    warn_of_odd_zones(device, (*disk)->limits().layout);
    if (const auto& notice = (*disk)->identity().notice; !notice.empty())
        log("{}: {}", device, notice);
    Lun lun{device, options, std::move(*disk), nullptr, 0, false};
    lun.opened_size = lun.disk->limits().size();
    if (options.kind == GuestDeviceKind::scsi)
        lun.unit = std::make_unique<SteadyUnit>(lun.disk->unit());
    return lun;
}

DiskOptions LunTable::options_for(std::uint16_t number) const {
    auto options = options_;
    if (refusals_) options.refusals = refusals_(number);
    return options;
}

LunInfo LunTable::info_of(std::uint16_t number, const Lun& lun) {
    return {number,      lun.device,         lun.options.read_only, lun.disk->passed_through(),
            lun.leaving, lun.disk->limits(), lun.disk->identity()};
}

tl::expected<LunTable::Luns::iterator, Error> LunTable::find(std::uint16_t number) {
    const auto found = luns_.find(number);
    if (found != luns_.end()) return found;
    std::string others;
    for (const auto& [other, ignored] : luns_)
        others += fmt::format("{}{}", others.empty() ? "" : ", ", other);
    return refused(others.empty()
                       ? fmt::format("there is no LUN {}; no disk is served at the moment", number)
                       : fmt::format("there is no LUN {}; the served LUNs are {}", number, others));
}

tl::expected<void, Error> LunTable::open(std::uint16_t number, const std::string& device) {
    auto lun = open_lun(device, options_for(number));
    if (!lun) return tl::unexpected(std::move(lun.error()));
    luns_.emplace(number, std::move(*lun));
    return {};
}

std::vector<NumberedDisk> LunTable::disks() {
    std::vector<NumberedDisk> disks;
    for (auto& [number, lun] : luns_)
        disks.push_back({number, lun.device, lun.disk.get(), lun.unit.get()});
    return disks;
}

tl::expected<void, Error> LunTable::close() {
    tl::expected<void, Error> result;
    for (auto& [number, lun] : luns_) {
        lun.unit.reset();
        auto closed = lun.disk->close();
        if (closed) continue;
        if (!result) log("LUN {}: {}", number, closed.error().message);
        if (result) result = std::move(closed);
    }
    luns_.clear();
    return result;
}

tl::expected<LunInfo, Error> LunTable::add(std::uint16_t number, const std::string& device,
                                           const LunOptions& options) {
    const std::lock_guard turn(turn_);
    if (number > most_number)
        return refused(
            fmt::format("LUN {} is too large: the largest number is {}", number, most_number));
    if (const auto taken = luns_.find(number); taken != luns_.end())
        return refused(
            fmt::format("LUN {} is taken, by {}: remove that disk first, or use another number",
                        number, taken->second.device));
    auto how = options_for(number);
    how.read_only = options.read_only;
    how.translate = options.translate;
    how.force = options.force;
    how.accept_loss = options.accept_loss;
    how.allow = options.allow;
    how.faults.clear();
    auto lun = open_lun(device, how);
    if (!lun) return tl::unexpected(std::move(lun.error()));
    if (auto added = units_->add(unit_of({number, device, lun->disk.get(), lun->unit.get()}));
        !added) {
        lun->unit.reset();
        (void)lun->disk->close();  // nothing was written
        return tl::unexpected(std::move(added.error()));
    }
    const auto place = luns_.emplace(number, std::move(*lun)).first;
    log("LUN {}: added, {}", number, device);
    return info_of(number, place->second);
}

void LunTable::wait_until_quiet(const SteadyUnit& unit) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + longest_goodbye;
    auto taken = unit.taken();
    auto quiet_since = Clock::now();
    std::unique_lock lock(hurry_lock_);
    while (!hurried_.wait_for(lock, between_looks, [this] { return hurry_; })) {
        const auto now = Clock::now();
        if (const auto count = unit.taken(); count != taken) {
            taken = count;
            quiet_since = now;
        }
        if (now - quiet_since >= quiet_enough || now >= end) return;
    }
}

tl::expected<void, Error> LunTable::remove(std::uint16_t number, Removal how) {
    const std::lock_guard turn(turn_);
    const auto found = find(number);
    if (!found) return tl::unexpected(found.error());
    auto& lun = (*found)->second;
    units_->announce_removal(number);
    if (how == Removal::announced && !lun.leaving) wait_until_quiet(*lun.unit);
    if (auto out = take_out(number, lun); !out) return out;
    auto closed = lun.disk->close();
    log("LUN {}: removed, {}", number, lun.device);
    luns_.erase(*found);
    if (closed) return {};
    auto error = std::move(closed.error());
    error.message = fmt::format("LUN {} was removed, but its disk could not be closed cleanly: {}",
                                number, error.message);
    return tl::unexpected(std::move(error));
}

tl::expected<void, Error> LunTable::take_out(std::uint16_t number, Lun& lun) {
    if (units_->remove(number, limit_) == Removed::in_use_still) {
        lun.leaving = true;
        Error error{
            StatusCode::io_error,
            fmt::format("LUN {} is gone for the guest, but {} did not give back all commands "
                        "within {} s. It stays open, and the number taken, as long as it "
                        "holds some: remove it again to see whether it still does",
                        number, lun.device, std::chrono::duration<double>(limit_).count()),
            {}};
        log("{}", error.message);
        return tl::unexpected(std::move(error));
    }
    lun.unit.reset();
    return {};
}

tl::expected<std::unique_ptr<GuestDisk>, Error> LunTable::reopen(Lun& lun) {
    // Close the old disk first: two opens of the same disk would exclude each other.
    auto closed = lun.disk->close();
    lun.disk.reset();
    if (!closed) return tl::unexpected(std::move(closed.error()));
    for (auto waited = milliseconds{0};; waited += between_looks) {
        auto disk = GuestDisk::open(lun.device, lun.options);
        const auto busy = !disk && disk.error().cause == NativeCause::os_error(EBUSY);
        if (!busy || waited >= longest_letting_go) return disk;
        std::this_thread::sleep_for(between_looks);
    }
}

tl::expected<LunTable::Refreshed, Error> LunTable::refresh(std::uint16_t number) {
    const std::lock_guard turn(turn_);
    const auto found = find(number);
    if (!found) return tl::unexpected(found.error());
    auto& lun = (*found)->second;
    if (lun.leaving)
        return refused(
            fmt::format("LUN {} was removed, and {} still holds commands: remove it again first",
                        number, lun.device));
    const auto before = info_of(number, lun);
    if (auto paused = lun.unit->pause(limit_); !paused) {
        auto error = std::move(paused.error());
        error.message =
            fmt::format("LUN {}: {} goes on as it was: {}", number, lun.device, error.message);
        log("{}", error.message);
        return tl::unexpected(std::move(error));
    }
    auto disk = reopen(lun);
    tl::expected<void, Error> result;
    if (disk) {
        lun.disk = std::move(*disk);
        if (const auto other = difference(before, info_of(number, lun), lun.opened_size);
            !other.empty())
            result = refused(other);
        else
            result = lun.unit->resume(lun.disk->unit());
    } else {
        result = tl::unexpected(std::move(disk.error()));
    }
    if (!result) {
        auto error = std::move(result.error());
        error.message = fmt::format(
            "LUN {} was removed, because {} can't stay under that number: {}. Add the disk again "
            "when the cause is removed",
            number, lun.device, error.message);
        log("{}", error.message);
        units_->announce_removal(number);
        if (auto out = take_out(number, lun); !out) return tl::unexpected(std::move(out.error()));
        if (lun.disk) (void)lun.disk->close();  // nothing was written since it was opened
        luns_.erase(*found);
        return tl::unexpected(std::move(error));
    }
    auto after = info_of(number, lun);
    lun.opened_size = after.limits.size();
    const auto size = before.limits.size();
    if (after.identity.unique_id != before.identity.unique_id)
        units_->changed(number, zbc::Attention::inquiry_changed);
    if (after.limits.size() != size) units_->changed(number, zbc::Attention::capacity_changed);
    log("LUN {}: {} was reopened; its size is {} bytes{}", number, lun.device, after.limits.size(),
        after.limits.size() == size ? ", as before" : fmt::format(", and was {}", size));
    return Refreshed{std::move(after), size};
}

std::vector<LunInfo> LunTable::list() const {
    const std::lock_guard turn(turn_);
    std::vector<LunInfo> list;
    for (const auto& [number, lun] : luns_) list.push_back(info_of(number, lun));
    return list;
}

void LunTable::look_at_sizes(const std::function<void(std::uint16_t number)>& resized) {
    const std::lock_guard turn(turn_);
    for (auto& [number, lun] : luns_) {
        if (lun.leaving || lun.disk->passed_through()) continue;
        const auto before = lun.disk->limits().size();
        const auto now = lun.disk->transport().look_at_size();
        if (now == before) continue;
        if (now > before)
            log("{} has grown from {} to {} bytes: the guest is told", lun.device, before, now);
        else
            log("{} has shrunk from {} to {} bytes: the guest is told, and its requests beyond the "
                "end are refused",
                lun.device, before, now);
        resized(number);
    }
}

void LunTable::hurry() {
    {
        const std::lock_guard guard(hurry_lock_);
        hurry_ = true;
    }
    hurried_.notify_all();
}

}  // namespace zonebridge::service
