// Makes this process run out of file descriptors for a while.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace zonebridge::test {

/// While this object lives, the process can open one more file descriptor, or none.
class FewDescriptors {
  public:
    enum class Left : bool { none, one };

    explicit FewDescriptors(Left left) {
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        EXPECT_GE(next, 0);
        ::close(next);
        auto less = before_;
        less.rlim_cur = static_cast<rlim_t>(next + (left == Left::one ? 1 : 0));
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &less), 0);
    }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;
    ~FewDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

  private:
    rlimit before_{};
};

}  // namespace zonebridge::test
