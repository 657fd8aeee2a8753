#include "tests/unit/virtio/echo_backend.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <future>
#include <poll.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "base/iovec.h"

namespace zonebridge::virtio {
EchoBackend::EchoBackend()
    : wake_(make_event_fd()), event_(make_event_fd()), worker_([this] { work(); }) {}

EchoBackend::~EchoBackend() {
    on_worker([this] { stopping_ = true; });
    worker_.join();
}

void EchoBackend::on_worker(const std::function<void()>& call) {
    std::promise<void> done;
    {
        const std::lock_guard lock(mutex_);
        mail_.emplace_back([&] {
            call();
            done.set_value();
        });
    }
    signal_event(wake_);
    done.get_future().wait();
}

void EchoBackend::note(std::string call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
}

std::vector<std::string> EchoBackend::calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
}

bool EchoBackend::called(const std::string& call) const {
    const auto all = calls();
    return std::find(all.begin(), all.end(), call) != all.end();
}

void EchoBackend::hold(bool held) {
    on_worker([&] { holding_ = held; });
}

void EchoBackend::release() {
    on_worker([this] {
        for (auto& [index, running] : running_) answer_held(running);
    });
}

std::size_t EchoBackend::held() {
    std::size_t count = 0;
    on_worker([&] {
        for (auto& [index, running] : running_) count += running.held.size();
    });
    return count;
}

std::vector<std::string> EchoBackend::recovered() {
    std::vector<std::string> texts;
    on_worker([&] { texts = recovered_; });
    return texts;
}

void EchoBackend::change_config() {
    post_event({BackendEvent::Kind::config_changed, {}});
}

void EchoBackend::post_event(BackendEvent event) {
    {
        const std::lock_guard lock(mutex_);
        events_.push_back(std::move(event));
    }
    signal_event(event_);
}

std::optional<BackendEvent> EchoBackend::take_event() {
    const std::lock_guard lock(mutex_);
    if (events_.empty()) return std::nullopt;
    BackendEvent event = std::move(events_.front());
    events_.pop_front();
    if (events_.empty()) drain_event(event_);
    return event;
}

std::uint64_t EchoBackend::features() const noexcept {
    return feature::version_1 | feature::indirect_descriptors | feature::event_index | own_feature |
           refused_feature;
}

void EchoBackend::read_config(std::uint32_t offset, std::span<std::byte> out) noexcept {
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = offset + i < config.size() ? config[offset + i] : std::byte{0};
}

bool EchoBackend::write_config(std::uint32_t offset, std::span<const std::byte> in,
                               bool migration) noexcept {
    // Only a migration may change the first four bytes; others may write their present value.
    for (std::size_t i = 0; i < in.size(); ++i)
        if (offset + i < 4 && !migration && config[offset + i] != in[i]) return false;
    for (std::size_t i = 0; i < in.size() && offset + i < config.size(); ++i)
        config[offset + i] = in[i];
    return true;
}

tl::expected<void, std::string> EchoBackend::set_features(std::uint64_t features) {
    note(fmt::format("features {:#x}", features));
    if ((features & refused_feature) != 0) return tl::unexpected(std::string("not this one"));
    return {};
}

tl::expected<void, std::string> EchoBackend::set_memory(GuestMemory::Table memory,
                                                        Deadline deadline) {
    note(fmt::format("memory {}", memory->region_count()));
    if (hung_ && held() != 0) {
        std::this_thread::sleep_until(deadline);
        return tl::unexpected(std::string("requests are still at the disk"));
    }
    tl::expected<void, std::string> result;
    on_worker([&] {
        for (auto& [index, running] : running_) {
            answer_held(running);
            if (auto bound = running.queue.rebind(*memory); !bound) result = bound;
        }
        memory_ = memory;
    });
    return result;
}

void EchoBackend::set_log(std::shared_ptr<const DirtyLog> log,
                          std::span<const std::optional<std::uint64_t>> used_rings) {
    note(log ? "log on" : "log off");
    on_worker([&] {
        log_ = log;
        for (auto& [index, running] : running_) {
            running.setup.used_log = used_rings[index];
            running.queue.set_log(log.get(), used_rings[index]);
        }
    });
}

bool EchoBackend::is_eventfd(int fd) noexcept {
    std::error_code failed;
    const auto link = "/proc/self/fd/" + std::to_string(fd);
    return std::filesystem::read_symlink(link, failed) == "anon_inode:[eventfd]";
}

tl::expected<void, std::string> EchoBackend::start_queue(std::uint16_t index,
                                                         const QueueSetup& setup) {
    note(fmt::format("start {}", index));
    tl::expected<void, std::string> result;
    on_worker([&] {
        auto queue = VirtQueue::create(*memory_, setup.ring);
        if (!queue) {
            result = tl::unexpected(queue.error());
            return;
        }
        queue->set_log(log_.get(), setup.used_log);
        auto& running =
            running_.emplace(index, Running{setup, std::move(*queue), setup.look_at_once})
                .first->second;
        Held held;
        while (running.queue.pop_recovered(held.storage, held.chain) == PopResult::chain) {
            std::string text;
            for (const iovec& one : held.chain.readable)
                text.append(static_cast<const char*>(one.iov_base), one.iov_len);
            recovered_.push_back(text);
            running.queue.push(held.chain, 0);
            running.kicked = true;
        }
        if (running.queue.publish()) signal_event(running.setup.call.call());
        (void)running.queue.enable_kicks();
        serve(running);
    });
    return result;
}

tl::expected<std::uint16_t, std::string> EchoBackend::stop_queue(std::uint16_t index,
                                                                 Deadline deadline) {
    note(fmt::format("stop {}", index));
    std::uint16_t base = 0;
    std::size_t held = 0;
    on_worker([&] { held = running_.at(index).held.size(); });
    if (hung_ && held != 0) {
        std::this_thread::sleep_until(deadline);
        return tl::unexpected(
            fmt::format("queue {}: {} requests are still at the disk", index, held));
    }
    on_worker([&] {
        auto& running = running_.at(index);
        answer_held(running);
        base = running.queue.base();
        running_.erase(index);
    });
    return base;
}

void EchoBackend::enable_queue(std::uint16_t index, bool enabled) {
    note(fmt::format("{} {}", enabled ? "enable" : "disable", index));
    on_worker([&] {
        auto& running = running_.at(index);
        running.setup.enabled = enabled;
        serve(running);
    });
}

void EchoBackend::set_call(std::uint16_t index, Notifier call) {
    on_worker([&] {
        running_.at(index).setup.call = std::move(call);
        signal_event(running_.at(index).setup.call.call());
    });
}

void EchoBackend::set_error(std::uint16_t index, SharedFd error) {
    on_worker([&] { running_.at(index).setup.error = std::move(error); });
}

void EchoBackend::reset(ResetCause cause) {
    const char* const names[] = {"requested", "status", "session_end"};
    note(std::string("reset ") + names[static_cast<int>(cause)]);
    const std::lock_guard lock(mutex_);
    events_.clear();
    drain_event(event_);
}

void EchoBackend::work() {
    while (!stopping_) {
        std::vector<pollfd> waits{{wake_.get(), POLLIN, 0}};
        std::vector<Running*> kicks;
        int timeout = -1;
        for (auto& [index, running] : running_) {
            if (running.broken) continue;
            if (running.setup.kick == nullptr) {
                timeout = 1;
                continue;
            }
            waits.push_back({running.setup.kick->get(), POLLIN, 0});
            kicks.push_back(&running);
        }
        ::poll(waits.data(), waits.size(), timeout);
        for (std::size_t i = 0; i < kicks.size(); ++i) {
            if (waits[i + 1].revents == 0) continue;
            drain_event(UniqueFd(::dup(kicks[i]->setup.kick->get())));
            kicks[i]->kicked = true;
            serve(*kicks[i]);
        }
        for (auto& [index, running] : running_)
            if (running.setup.kick == nullptr) {
                running.kicked = true;
                serve(running);
            }
        drain_event(wake_);
        for (;;) {
            std::function<void()> call;
            {
                const std::lock_guard lock(mutex_);
                if (mail_.empty()) break;
                call = std::move(mail_.front());
                mail_.pop_front();
            }
            call();
        }
    }
}

void EchoBackend::serve(Running& running) {
    if (!running.setup.enabled || !running.kicked || running.broken) return;
    do {
        running.queue.disable_kicks();
        for (;;) {
            auto held = std::make_unique<Held>();
            const auto result = running.queue.pop(held->storage, held->chain);
            if (result == PopResult::empty) break;
            if (result == PopResult::broken) {
                running.broken = true;
                answer_held(running);
                signal_event(running.setup.error);
                post_event({BackendEvent::Kind::fault,
                            fmt::format("queue {}: {}", running.setup.ring.index,
                                        to_string(*running.queue.fault()))});
                return;
            }
            running.held.push_back(std::move(held));
        }
        if (!holding_) answer_held(running);
    } while (running.queue.enable_kicks());
}

void EchoBackend::answer_held(Running& running) {
    for (const auto& held : running.held) answer(running, held->chain);
    running.held.clear();
    if (running.queue.publish()) signal_event(running.setup.call.call());
}

void EchoBackend::answer(Running& running, const Chain& chain) {
    std::vector<std::uint8_t> bytes(std::min(chain.readable_length, chain.writable_length));
    copy_from(chain.readable, 0, bytes);
    copy_to(chain.writable, 0, bytes);
    running.queue.push(chain, static_cast<std::uint32_t>(bytes.size()));
}

}  // namespace zonebridge::virtio
