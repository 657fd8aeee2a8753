// A socket at which a running server is told what to do: a line for each request, a line for each
// answer. Who connects is greeted first, so that it knows whom it talks to.
//
// Threads: open() and the end belong to one thread. zb-control waits for the peers; zb-control-disk does
// what they ask, one thing after another, and may block on disks as long as those take.
// Ownership: owns the socket and its threads; borrows the protocol and the disks.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "service/lun_table.h"
#include "zone/status.h"

namespace zonebridge::service {

/// What is said in a line is no affair of the socket's. Lines have no newline here.
class ControlProtocol {
  public:
    struct Answer {
        std::string line;
        bool last = false;  ///< Nothing that this peer says makes sense any more.
    };

    [[nodiscard]] virtual std::string greeting() const = 0;
    /// Carries out a request; on zb-control-disk. Bad input is an answer, too.
    [[nodiscard]] virtual Answer answer(std::string_view line, LunTable& luns) const = 0;
    /// What a peer is told last that broke the rules of the socket itself.
    [[nodiscard]] virtual std::string complaint(std::string_view what) const = 0;

  protected:
    ~ControlProtocol() = default;
};

struct ControlLimits {
    std::size_t line = 64 << 10;   ///< Bytes a request may have.
    std::size_t connections = 16;  ///< At once; others wait until one of these ends.
    /// A peer has so long for a request and for taking an answer; then it is sent away.
    std::chrono::milliseconds patience{10'000};
};

class ControlSocket {
  public:
    /// Binds `path` as virtio/vhost_user/listener.h does, for this user's and root's programs. They wait
    /// until start().
    [[nodiscard]] static tl::expected<std::unique_ptr<ControlSocket>, Error> open(
        const std::string& path, const ControlProtocol& protocol, LunTable& luns,
        const ControlLimits& limits = {});

    /// From here on the disks are changed by what peers say. Once.
    void start();

    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;
    /// What is being done is finished, without waiting for guests; what was not begun is left.
    ~ControlSocket();

  private:
    class Peers;
    class Doer;
    struct Private {};

  public:
    explicit ControlSocket(Private);  // by open()

  private:
    std::unique_ptr<Doer> doer_;
    std::unique_ptr<Peers> peers_;  // give it requests, and take its answers
};

}  // namespace zonebridge::service
