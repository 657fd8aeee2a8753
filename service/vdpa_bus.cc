#include "service/vdpa_bus.h"

#include <cerrno>
#include <linux/netlink.h>
#include <linux/vdpa.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <string_view>
#include <sys/socket.h>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::service {
namespace {

struct FreeMessage {
    void operator()(nl_msg* message) const noexcept { nlmsg_free(message); }
};
using Message = std::unique_ptr<nl_msg, FreeMessage>;

struct FreeCallbacks {
    void operator()(nl_cb* callbacks) const noexcept { nl_cb_put(callbacks); }
};

/// The kernel's answer to one request.
struct Answer {
    bool ended = false;
    int error = 0;      // errno
    std::string words;  // the kernel's message for an error
    std::optional<VdpaDevice> device;
};

// netlink(7): behind the error lies the request, or only its header, and then attributes.
std::string words_of(const nlmsgerr& error) {
    const auto* const header = reinterpret_cast<const nlmsghdr*>(&error) - 1;
    if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    std::size_t skipped = sizeof(error);
    if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) {
        if (error.msg.nlmsg_len < sizeof(nlmsghdr)) return {};
        skipped += NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof(nlmsghdr);
    }
    const auto length = static_cast<std::size_t>(nlmsg_datalen(header));
    if (length <= skipped) return {};
    const auto* const first =
        reinterpret_cast<const nlattr*>(reinterpret_cast<const char*>(&error) + skipped);
    const auto* const found =
        nla_find(first, static_cast<int>(length - skipped), NLMSGERR_ATTR_MSG);
    if (found == nullptr || nla_len(found) <= 0) return {};
    const std::string_view text(static_cast<const char*>(nla_data(found)),
                                static_cast<std::size_t>(nla_len(found)));
    return std::string(text.substr(0, text.find('\0')));
}

int on_error(sockaddr_nl* /*from*/, nlmsgerr* error, void* argument) {
    auto& answer = *static_cast<Answer*>(argument);
    answer.ended = true;
    answer.error = -error->error;
    answer.words = words_of(*error);
    return NL_STOP;
}

int on_acknowledged(nl_msg* /*message*/, void* argument) {
    static_cast<Answer*>(argument)->ended = true;
    return NL_STOP;
}

int on_device(nl_msg* message, void* argument) {
    auto& answer = *static_cast<Answer*>(argument);
    auto* const header = static_cast<genlmsghdr*>(nlmsg_data(nlmsg_hdr(message)));
    const auto attribute = [&](int type) {
        return nla_find(genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), type);
    };
    auto& device = answer.device.emplace();
    if (const auto* const name = attribute(VDPA_ATTR_MGMTDEV_DEV_NAME); name != nullptr)
        device.management = nla_get_string(name);
    if (const auto* const id = attribute(VDPA_ATTR_DEV_ID); id != nullptr)
        device.virtio_id = nla_get_u32(id);
    return NL_OK;
}

Error failure(std::string what, int error, const std::string& words) {
    if (!words.empty()) what += fmt::format(" (the kernel says: {})", words);
    return os_failure(error, std::move(what));
}

Error library_failure(std::string_view what, int error) {
    return {StatusCode::io_error, fmt::format("{}: {}", what, nl_geterror(error)), {}};
}

/// Sends a request about the device `name` and waits until the kernel has finished it. The error is
/// a transport failure, not the kernel's answer.
tl::expected<Answer, Error> ask(nl_sock& socket, int family, int command, const std::string& name,
                                const std::string& management = {}) {
    const Message message(nlmsg_alloc());
    // A get is answered without an acknowledgement request, but refused in the same way only with
    // one.
    if (!message ||
        genlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_REQUEST | NLM_F_ACK,
                    static_cast<std::uint8_t>(command), VDPA_GENL_VERSION) == nullptr ||
        (!management.empty() &&
         nla_put_string(message.get(), VDPA_ATTR_MGMTDEV_DEV_NAME, management.c_str()) != 0) ||
        nla_put_string(message.get(), VDPA_ATTR_DEV_NAME, name.c_str()) != 0)
        return tl::unexpected(os_failure(ENOMEM, "can't send a request to the vDPA bus"));
    Answer answer;
    const std::unique_ptr<nl_cb, FreeCallbacks> callbacks(nl_cb_alloc(NL_CB_DEFAULT));
    if (!callbacks)
        return tl::unexpected(os_failure(ENOMEM, "can't send a request to the vDPA bus"));
    nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &answer);
    nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, on_acknowledged, &answer);
    nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_device, &answer);
    if (const int sent = nl_send_auto(&socket, message.get()); sent < 0)
        return tl::unexpected(library_failure("can't send a request to the vDPA bus", sent));
    while (!answer.ended)
        if (const int got = nl_recvmsgs(&socket, callbacks.get()); got < 0 && !answer.ended)
            return tl::unexpected(library_failure("the vDPA bus does not answer", got));
    return answer;
}

}  // namespace

void VdpaBus::Free::operator()(nl_sock* socket) const noexcept {
    nl_socket_free(socket);
}

tl::expected<VdpaBus, Error> VdpaBus::open() {
    Socket socket(nl_socket_alloc());
    if (!socket) return tl::unexpected(os_failure(ENOMEM, "can't send a request to the vDPA bus"));
    if (const int connected = genl_connect(socket.get()); connected < 0)
        return tl::unexpected(library_failure("can't connect to the kernel by netlink", connected));
    const int family = genl_ctrl_resolve(socket.get(), VDPA_GENL_NAME);
    if (family < 0)
        return tl::unexpected(Error{StatusCode::unsupported,
                                    "this kernel's vDPA bus is not loaded: load it with 'modprobe "
                                    "vdpa' (the kernel needs CONFIG_VDPA)",
                                    {}});
    // Only adds messages to errors; kernels without the option work too.
    const int on = 1;
    (void)::setsockopt(nl_socket_get_fd(socket.get()), SOL_NETLINK, NETLINK_EXT_ACK, &on,
                       sizeof(on));
    (void)::setsockopt(nl_socket_get_fd(socket.get()), SOL_NETLINK, NETLINK_CAP_ACK, &on,
                       sizeof(on));
    return VdpaBus(std::move(socket), family);
}

int VdpaBus::fd() const noexcept {
    return nl_socket_get_fd(socket_.get());
}

tl::expected<void, Error> VdpaBus::add(const std::string& management, const std::string& name) {
    const auto answer = ask(*socket_, family_, VDPA_CMD_DEV_NEW, name, management);
    if (!answer) return tl::unexpected(answer.error());
    const auto what = fmt::format("{} can't be added to the vDPA bus", name);
    switch (answer->error) {
        case 0:
            return {};
        case EPERM:
            return tl::unexpected(os_failure(EPERM, what + ": this needs root (CAP_NET_ADMIN)"));
        case EEXIST:
            return tl::unexpected(
                failure(what + ", which already has a device of that name", EEXIST, answer->words));
        case ENODEV:
            return tl::unexpected(failure(
                fmt::format("{}: the bus does not know '{}': load that module with 'modprobe {}'",
                            what, management, management),
                ENODEV, answer->words));
        default:
            return tl::unexpected(failure(what, answer->error, answer->words));
    }
}

tl::expected<void, Error> VdpaBus::remove(const std::string& name) {
    const auto answer = ask(*socket_, family_, VDPA_CMD_DEV_DEL, name);
    if (!answer) return tl::unexpected(answer.error());
    const auto what = fmt::format("{} can't be removed from the vDPA bus", name);
    switch (answer->error) {
        case 0:
        case ENODEV:
            return {};
        case EPERM:
            return tl::unexpected(os_failure(EPERM, what + ": this needs root (CAP_NET_ADMIN)"));
        default:
            return tl::unexpected(failure(what, answer->error, answer->words));
    }
}

tl::expected<std::optional<VdpaDevice>, Error> VdpaBus::find(const std::string& name) {
    auto answer = ask(*socket_, family_, VDPA_CMD_DEV_GET, name);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->error == ENODEV) return std::nullopt;
    if (answer->error != 0)
        return tl::unexpected(failure(fmt::format("the vDPA bus does not describe {}", name),
                                      answer->error, answer->words));
    return std::move(answer->device);
}

}  // namespace zonebridge::service
