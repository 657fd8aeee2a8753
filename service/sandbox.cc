#include "service/sandbox.h"

#include <array>
#include <cerrno>
#include <linux/capability.h>
#include <sys/resource.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "service/log.h"

namespace zonebridge::service {
namespace {

struct CapabilityRow {
    Part part;
    unsigned capability;
    const char* name;
    const char* reason;
};

constexpr std::array capability_rows{
    CapabilityRow{Part::scsi, CAP_SYS_RAWIO, "CAP_SYS_RAWIO",
                  "the kernel lets other programs send only the commands of a fixed list"},
    CapabilityRow{Part::nvme_admin, CAP_SYS_ADMIN, "CAP_SYS_ADMIN",
                  "before Linux 6.2, and for drives that do not describe their commands"},
};

std::string in_a_row(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, ", "));
}

std::string capability_words(std::uint64_t kept) {
    std::vector<std::string> names;
    for (const auto& row : capability_rows)
        if ((kept >> row.capability & 1) != 0) names.emplace_back(row.name);
    return names.empty() ? "no capabilities" : "capabilities " + in_a_row(names);
}

/// A crash must not write the guest's memory to a file.
bool forbid_core_files() noexcept {
    const rlimit none{0, 0};
    return ::setrlimit(RLIMIT_CORE, &none) == 0;
}

tl::unexpected<Error> required(const std::string& what) {
    return tl::unexpected(
        Error{StatusCode::unsupported, fmt::format("--sandbox require: {}", what), {}});
}

}  // namespace

std::uint64_t needed_capabilities(const Parts& parts) noexcept {
    std::uint64_t bits = 0;
    for (const auto& row : capability_rows)
        if (parts.has(row.part)) bits |= std::uint64_t{1} << row.capability;
    return bits;
}

tl::expected<Sandbox, Error> Sandbox::start(const SandboxOptions& options,
                                            const BrokerRules& rules) {
    if (options.mode == SandboxOptions::Mode::off) return Sandbox(options, std::nullopt);
    auto broker = Broker::start(rules);
    if (broker) return Sandbox(options, std::move(*broker));
    log("sandbox: {}", broker.error().message);
    return Sandbox(options, std::nullopt);
}

tl::expected<void, Error> Sandbox::enter(Parts parts) {
    if (options_.mode == SandboxOptions::Mode::off) return {};
    const auto require = options_.mode == SandboxOptions::Mode::require;
    if (sanitized) parts.add(Part::sanitizer);
    std::vector<std::string> missing;

    const auto landlock = sanitized ? tl::unexpected(Error{StatusCode::unsupported, "left out", {}})
                                    : make_landlock_rules();
    Confinement how;
    how.run_as = options_.run_as;
    how.capabilities = needed_capabilities(parts);
    if (landlock) how.landlock = &*landlock;
    if (!landlock) missing.push_back(fmt::format("Landlock ({})", landlock.error().message));
    threads_ = std::make_unique<ConfinedThreads>();
    std::vector<std::string> there;
    if (auto confined = threads_->confine(how); confined) {
        there.push_back(capability_words(how.capabilities));
        if (how.run_as)
            there.push_back(fmt::format("user {}:{}", how.run_as->user, how.run_as->group));
        if (landlock) there.push_back(fmt::format("Landlock {}", landlock->version));
    } else if (require || options_.run_as) {
        // A server that should run as another user does not run as this one.
        return confined;
    } else {
        missing.push_back(fmt::format("the loss of capabilities ({})", confined.error().message));
    }
    if (!forbid_core_files()) missing.emplace_back("the limit of core files");

    auto filter = load_call_filter(parts, broker_.has_value());
    if (!filter) {
        if (require) return required(filter.error().message);
        missing.push_back(fmt::format("seccomp ({})", filter.error().message));
    } else if (!filter->listener) {
        missing.emplace_back("the broker, so disks can't be opened later");
    } else if (auto taken = broker_->answer(std::move(*filter->listener)); !taken) {
        missing.push_back(
            fmt::format("the broker, so disks can't be opened later, and the sockets "
                        "stay at the end ({})",
                        taken.error().message));
    }

    if (filter)
        there.push_back(
            fmt::format("no new privileges, {} system calls ({})", filter->calls, parts.words()));
    log("sandbox: {}{}{}", in_a_row(there),
        missing.empty() ? "" : "; missing: ", in_a_row(missing));
    return {};
}

}  // namespace zonebridge::service
