// The part of a VDUSE device's life that waits for the kernel: joining the vDPA bus, being taken by
// a driver, and leaving again. The kernel asks the device's session questions meanwhile, so this is
// a thread beside the session's.
//
// Threads: start, done_fd and finish belong to the session's thread; `calls` are made on the helper's own.
// Ownership: owns its thread and the bus; borrows `stop` and `calls`.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <tl/expected.hpp>

#include "service/vdpa_bus.h"
#include "service/vdpa_driver.h"
#include "service/vduse_service.h"
#include "virtio/unique_fd.h"
#include "zone/status.h"

namespace zonebridge::service {

class BusHelper {
    struct Private {};

  public:
    /// The management device of all VDUSE devices.
    static constexpr const char* management = "vduse";

    struct Outcome {
        tl::expected<void, Error> result;
        bool on_bus = false;  ///< The device stays there, for the next server of its name.
    };

    /// `stop`: a non-blocking signalfd. The device's session has to run from now on.
    [[nodiscard]] static tl::expected<std::unique_ptr<BusHelper>, Error> start(
        VdpaBus bus, const VduseOptions& options, int stop, const VduseCalls& calls);

    BusHelper(Private, VdpaBus bus, const VduseOptions& options, int stop,
              const VduseCalls& calls);  // by start()
    ~BusHelper();

    /// Readable when the session is not needed any more.
    [[nodiscard]] int done_fd() const noexcept { return done_.get(); }
    /// The session answers no more; what came of it all. Once.
    [[nodiscard]] Outcome finish();

  private:
    enum class Wake : std::uint8_t { timeout, signal, session_over, other };

    void run();
    [[nodiscard]] Outcome live();
    [[nodiscard]] tl::expected<std::string, Error> bring_up(bool found);
    [[nodiscard]] tl::expected<std::string, Error> wait_for_node();
    [[nodiscard]] Outcome take_down(const std::string& node);
    /// What comes of it if the guest does not let go.
    [[nodiscard]] std::optional<Outcome> let_guest_go(const std::string& node,
                                                      std::vector<std::string> users);
    /// Until a signal, the session's end, `other` readable, or the time is over.
    [[nodiscard]] Wake wait(std::optional<std::chrono::milliseconds> time, int other = -1) const;
    void keep_only_own_descriptors() const;

    VdpaBus bus_;
    VduseOptions options_;
    VdpaDriver driver_;
    int stop_;
    const VduseCalls& calls_;
    virtio::UniqueFd done_;          // the helper tells the session
    virtio::UniqueFd session_over_;  // the session tells the helper
    Outcome outcome_;                // the helper's until it has ended
    std::thread thread_;
};

}  // namespace zonebridge::service
