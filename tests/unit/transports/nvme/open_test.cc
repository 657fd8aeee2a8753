// Paths that are no NVMe namespace are refused with a message. The guest tests open real ones.
#include <gtest/gtest.h>

#include "transports/nvme/nvme.h"

namespace zonebridge::nvme {
namespace {

std::string refusal(const std::string& path) {
    auto opened = open(path, {});
    return opened ? "opened" : opened.error().message;
}

TEST(NvmeOpen, APathThatIsNoNamespaceIsDescribed) {
    const auto null = refusal("/dev/null");
    EXPECT_EQ(null.find("/dev/null: is a character device"), 0U) << null;
    EXPECT_NE(null.find("/dev/ngXnY"), std::string::npos) << null;
    const auto folder = refusal("/tmp");
    EXPECT_EQ(folder.find("/tmp: is a directory"), 0U) << folder;
    const auto missing = refusal("/nonexistent/ng0n1");
    EXPECT_NE(missing.find("No such file"), std::string::npos) << missing;
}

}  // namespace
}  // namespace zonebridge::nvme
