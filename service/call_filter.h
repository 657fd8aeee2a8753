// The system calls that a server may make from its start on: a list that is put together from one for
// all servers and one for each front end and transport in use, and put in force by seccomp.
//
// A call that opens or examines a file by its path is refused with EACCES, or asked of the broker
// (service/broker.h). Any other call that is not on the list ends the process, with a line in the log.
//
// Threads: load() acts on every thread of the process, and on those that start later.
#pragma once

#include <cstddef>
#include <optional>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "service/call_table.h"
#include "zone/status.h"

namespace zonebridge::service {

struct LoadedFilter {
    std::size_t calls = 0;  ///< System calls on the list.
    /// With `ask_broker`: where the broker receives calls. Empty if this kernel or libseccomp has no
    /// such thing.
    std::optional<UniqueFd> listener;
};

/// Puts the list for `parts` in force, with no_new_privs, for good. An error changes nothing.
[[nodiscard]] tl::expected<LoadedFilter, Error> load_call_filter(const Parts& parts,
                                                                 bool ask_broker);

}  // namespace zonebridge::service
