#include "service/own_device_bus.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <linux/capability.h>
#include <sys/socket.h>
#include <utility>

#include "base/unique_fd.h"
#include "service/helper_process.h"

namespace zonebridge::service {
namespace {

class DirectBus final : public OwnDeviceBus {
  public:
    DirectBus(VdpaBus bus, std::string management, std::string name)
        : bus_(std::move(bus)), management_(std::move(management)), name_(std::move(name)) {}

    tl::expected<void, Error> add() override { return bus_.add(management_, name_); }
    tl::expected<void, Error> remove() override { return bus_.remove(name_); }
    tl::expected<std::optional<VdpaDevice>, Error> find() override { return bus_.find(name_); }
    int fd() const noexcept override { return bus_.fd(); }

  private:
    VdpaBus bus_;
    std::string management_;
    std::string name_;
};

// ---- One message for each question, and one for its answer, between two processes of one program.

enum class BusQuestion : std::uint8_t { add, remove, find };

struct BusAnswer {
    bool good = false;
    StatusCode code = StatusCode::ok;
    NativeCause cause = {};
    bool found = false;
    std::uint32_t virtio_id = 0;
    std::array<char, 1024> words{};  ///< Of an error, or the management device's name.

    void say(const std::string& text) { text.copy(words.data(), words.size() - 1); }
    static BusAnswer refusal(const Error& error) {
        BusAnswer answer;
        answer.code = error.code;
        answer.cause = error.cause;
        answer.say(error.message);
        return answer;
    }
    [[nodiscard]] Error error() const { return {code, words.data(), cause}; }
};

BusAnswer answer_to(BusQuestion question, OwnDeviceBus& bus) {
    BusAnswer answer;
    switch (question) {
        case BusQuestion::add:
        case BusQuestion::remove: {
            const auto done = question == BusQuestion::add ? bus.add() : bus.remove();
            if (!done) return BusAnswer::refusal(done.error());
            break;
        }
        case BusQuestion::find: {
            const auto device = bus.find();
            if (!device) return BusAnswer::refusal(device.error());
            answer.found = device->has_value();
            if (!answer.found) break;
            answer.virtio_id = (*device)->virtio_id;
            answer.say((*device)->management);
            break;
        }
    }
    answer.good = true;
    return answer;
}

void answer_questions(int channel, const std::string& management, const std::string& name) {
    auto bus = VdpaBus::open();
    std::optional<DirectBus> direct;
    if (bus) direct.emplace(std::move(*bus), management, name);
    for (;;) {
        std::uint8_t byte = 0;
        const auto got = ::recv(channel, &byte, sizeof byte, 0);
        if (got < 0 && errno == EINTR) continue;
        // A server that was taken over may send anything.
        if (got != 1 || byte > static_cast<std::uint8_t>(BusQuestion::find)) return;
        const auto answer = direct ? answer_to(static_cast<BusQuestion>(byte), *direct)
                                   : BusAnswer::refusal(bus.error());
        if (::send(channel, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer) return;
    }
}

class AskedBus final : public OwnDeviceBus {
  public:
    explicit AskedBus(UniqueFd channel) : channel_(std::move(channel)) {}

    tl::expected<void, Error> add() override { return change(BusQuestion::add); }
    tl::expected<void, Error> remove() override { return change(BusQuestion::remove); }
    tl::expected<std::optional<VdpaDevice>, Error> find() override {
        const auto answer = ask_process(BusQuestion::find);
        if (!answer.good) return tl::unexpected(answer.error());
        if (!answer.found) return std::nullopt;
        return VdpaDevice{answer.words.data(), answer.virtio_id};
    }
    int fd() const noexcept override { return channel_.get(); }

  private:
    [[nodiscard]] tl::expected<void, Error> change(BusQuestion question) const {
        const auto answer = ask_process(question);
        if (!answer.good) return tl::unexpected(answer.error());
        return {};
    }
    [[nodiscard]] BusAnswer ask_process(BusQuestion question) const {
        const auto byte = static_cast<std::uint8_t>(question);
        BusAnswer answer;
        ssize_t got = -1;
        if (::send(channel_.get(), &byte, sizeof byte, MSG_NOSIGNAL) == sizeof byte) do
                got = ::recv(channel_.get(), &answer, sizeof answer, 0);
            while (got < 0 && errno == EINTR);
        if (got == sizeof answer) return answer;
        return BusAnswer::refusal(
            {StatusCode::io_error, "the process that talks to the vDPA bus has ended", {}});
    }

    UniqueFd channel_;
};

}  // namespace

tl::expected<std::unique_ptr<OwnDeviceBus>, Error> open_own_device_bus(
    const std::string& management, const std::string& name, bool in_process) {
    if (in_process) {
        auto bus = VdpaBus::open();
        if (!bus) return tl::unexpected(bus.error());
        return std::make_unique<DirectBus>(std::move(*bus), management, name);
    }
    auto helper =
        start_helper_process("zb-vdpa-bus", std::uint64_t{1} << CAP_NET_ADMIN,
                             [&](int channel) { answer_questions(channel, management, name); });
    if (!helper) return tl::unexpected(std::move(helper.error()));
    return std::make_unique<AskedBus>(std::move(helper->channel));
}

}  // namespace zonebridge::service
