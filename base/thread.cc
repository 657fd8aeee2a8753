#include "base/thread.h"

#include <csignal>
#include <pthread.h>
#include <utility>

namespace zonebridge {
namespace {

constexpr std::size_t longest_name = 15;

/// Sets the calling thread's signal mask until the end of the scope.
class Masked {
  public:
    explicit Masked(const sigset_t& mask) { pthread_sigmask(SIG_SETMASK, &mask, &before_); }
    Masked(const Masked&) = delete;
    Masked& operator=(const Masked&) = delete;
    ~Masked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

}  // namespace

std::thread start_thread(const std::string& name, std::function<void()> run) {
    sigset_t mask;
    sigfillset(&mask);
    for (const int own : {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP}) sigdelset(&mask, own);
    // A new thread inherits the mask of the thread that starts it, from its first instruction on.
    const Masked masked(mask);
    return std::thread([name = name.substr(0, longest_name), run = std::move(run)] {
        pthread_setname_np(pthread_self(), name.c_str());
        run();
    });
}

}  // namespace zonebridge
