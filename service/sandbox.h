// Confines a server before it looks at a front end's first byte: what a guest could still do that has
// taken the server over. The order, and what each wall holds: docs/decisions/sandbox.md.
//
// Threads: use from the main thread; start() while there is no other thread, enter() while no thread
// starts another.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "service/broker.h"
#include "service/call_filter.h"
#include "service/confined_threads.h"
#include "zone/status.h"

namespace zonebridge::service {

struct SandboxOptions {
    enum class Mode : std::uint8_t {
        off,
        on,       ///< What this system has; the log says what is missing.
        require,  ///< All of it, but Landlock only where the kernel has that.
    };
    Mode mode = Mode::on;
    std::optional<RunAs> run_as;          ///< Not with Mode::off.
    std::optional<std::string> lun_root;  ///< The folder of disks that are added later.
};

/// The capabilities, as bits, that a server with these parts needs after its start. None for disks
/// that are added later: a server does not keep rights for disks that it may never have.
[[nodiscard]] std::uint64_t needed_capabilities(const Parts& parts) noexcept;

class Sandbox {
  public:
    /// Forks the broker, unless the mode is off; it needs the rights that this process has now.
    [[nodiscard]] static tl::expected<Sandbox, Error> start(const SandboxOptions& options,
                                                            const BrokerRules& rules);

    /// Puts everything in force, and logs what is. An error: the server must not start.
    [[nodiscard]] tl::expected<void, Error> enter(Parts parts);

  private:
    Sandbox(const SandboxOptions& options, std::optional<Broker> broker) noexcept
        : options_(options), broker_(std::move(broker)) {}

    SandboxOptions options_;
    std::optional<Broker> broker_;
    std::unique_ptr<ConfinedThreads> threads_;
};

}  // namespace zonebridge::service
