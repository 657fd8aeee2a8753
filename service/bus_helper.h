// The part of a VDUSE device's life that waits for the kernel: joining the vDPA bus, being bound to
// a driver, and leaving the bus. The kernel sends the device's session requests meanwhile, so this
// runs on a thread beside the session's.
//
// Threads: start, done_fd and finish belong to the session's thread; the helper's thread calls
// `calls`.
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

#include "base/unique_fd.h"
#include "service/own_device_bus.h"
#include "service/vdpa_driver.h"
#include "service/vduse_options.h"
#include "zone/status.h"

namespace zonebridge::service {

class BusHelper {
    struct Private {};

  public:
    /// The management device of all VDUSE devices.
    static constexpr const char* management = "vduse";

    struct Outcome {
        tl::expected<void, Error> result;
        bool on_bus = false;  ///< The device stays on the bus, for the next server of its name.
    };

    /// `stop`: a non-blocking signalfd. The device's session has to run from now on.
    [[nodiscard]] static tl::expected<std::unique_ptr<BusHelper>, Error> start(
        std::unique_ptr<OwnDeviceBus> bus, const VduseOptions& options, int stop,
        const VduseCalls& calls);

    BusHelper(Private, std::unique_ptr<OwnDeviceBus> bus, const VduseOptions& options, int stop,
              const VduseCalls& calls);  // by start()
    ~BusHelper();

    /// Readable when the session is not needed any more.
    [[nodiscard]] int done_fd() const noexcept { return done_.get(); }
    /// Call once the session answers no more requests: joins the thread and returns the outcome.
    /// Once.
    [[nodiscard]] Outcome finish();

  private:
    enum class Wake : std::uint8_t { timeout, signal, session_over, other };

    void run();
    [[nodiscard]] Outcome live();
    [[nodiscard]] tl::expected<std::string, Error> bring_up(bool found);
    [[nodiscard]] tl::expected<std::string, Error> wait_for_node();
    [[nodiscard]] Outcome take_down(const std::string& node);
    /// An outcome if the guest keeps the device open.
    [[nodiscard]] std::optional<Outcome> let_guest_go(const std::string& node,
                                                      std::vector<std::string> users);
    /// Waits until a signal, the session's end, `other` is readable, or the time is over.
    [[nodiscard]] Wake wait(std::optional<std::chrono::milliseconds> time, int other = -1) const;
    void keep_only_own_descriptors() const;

    std::unique_ptr<OwnDeviceBus> bus_;
    VduseOptions options_;
    VdpaDriver driver_;
    int stop_;
    const VduseCalls& calls_;
    UniqueFd done_;          // signalled by the helper's thread
    UniqueFd session_over_;  // signalled by finish()
    Outcome outcome_;        // belongs to the helper's thread until it ends
    std::thread thread_;
};

}  // namespace zonebridge::service
