// The control socket of a running server: one line for each request, one line for each answer. The
// server first sends a greeting, so that a client knows which program it talks to.
//
// Threads: open() and the destructor belong to one thread. The thread zb-control does the clients'
// I/O; the thread zb-control-disk carries out requests one after another, and may block on disks.
// Ownership: owns the socket and its threads; borrows the disks.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "service/control_protocol.h"
#include "service/lun_table.h"
#include "virtio/vhost_user/socket_path.h"
#include "zone/status.h"

namespace zonebridge::service {

struct ControlLimits {
    std::size_t line = 64 << 10;   ///< Largest request in bytes.
    std::size_t connections = 16;  ///< At once; further clients wait until one of these ends.
    /// Limit for a client to send a request and to take an answer; then it is disconnected.
    std::chrono::milliseconds patience{10'000};
    /// Root and this process's user may always send requests; others only as members of the group.
    virtio::SocketAccess access{};
};

class ControlSocket {
  public:
    /// Carries out a request, on zb-control-disk; may throw.
    using Answer = std::function<ControlReply(std::string_view line, LunTable& luns)>;

    /// Binds `path` as virtio/vhost_user/listener.h does, for programs of this user and root, and of
    /// the group if there is one.
    /// Clients that connect wait until start().
    [[nodiscard]] static tl::expected<std::unique_ptr<ControlSocket>, Error> open(
        const std::string& path, LunTable& luns, const ControlLimits& limits = {},
        Answer answer = answer_request);

    /// From here on clients can change the disks. Call it once.
    void start();

    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;
    /// Finishes the request that is being carried out, without waiting for guests; drops the
    /// others.
    ~ControlSocket();

  private:
    class Connections;
    class CommandRunner;
    struct Private {};

  public:
    explicit ControlSocket(Private);  // by open()

  private:
    std::unique_ptr<CommandRunner> runner_;
    std::unique_ptr<Connections> connections_;  // uses runner_, so it is declared last
};

}  // namespace zonebridge::service
