// Reads every #include line of the tree and checks which folder may include which, which files may
// use the kernel's interfaces, and that includes are paths from the root.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

// ZONEBRIDGE_SOURCE is the root of the tree, given by the build.
const fs::path root = ZONEBRIDGE_SOURCE;

// docs/architecture.md draws this; change both together.
const std::map<std::string, std::set<std::string>> may_include{
    {"base", {"base"}},
    {"zone", {"base", "zone"}},
    {"layers", {"base", "zone", "layers"}},
    {"zbc", {"base", "zone", "zbc"}},
    {"zns", {"base", "zone", "zns"}},
    {"transports", {"base", "zone", "layers", "zbc", "zns", "transports"}},
    {"virtio", {"base", "virtio"}},
    {"virtio-blk", {"base", "zone", "virtio", "virtio-blk"}},
    {"virtio-scsi", {"base", "zone", "virtio", "zbc", "virtio-scsi"}},
    {"service",
     {"base", "zone", "layers", "zbc", "zns", "transports", "virtio", "virtio-blk", "virtio-scsi",
      "service"}},
    {"tools",
     {"base", "zone", "layers", "zbc", "zns", "transports", "virtio", "virtio-blk", "virtio-scsi",
      "service", "tools"}},
};

// System headers that only certain files may include.
struct Reserved {
    std::regex header;
    std::regex user;
    const char* why;
};
const std::vector<Reserved> reserved{
    {std::regex("liburing.*"), std::regex("transports/.*"), "io_uring is behind transports/ring"},
    {std::regex("linux/.*|sys/ioctl.h|scsi/.*"),
     std::regex("transports/.*|virtio/.*|service/.*|tools/.*"),
     "zone, zbc, zns and the devices know no kernel"},
    {std::regex("libnvme.*|nvme/.*"), std::regex("transports/nvme/control\\.cc"),
     "libnvme changes its names from version to version"},
    {std::regex("netlink/.*"), std::regex("service/vdpa_bus\\.cc"),
     "the vDPA bus is behind service/vdpa_bus"},
    {std::regex("seccomp.h"), std::regex("service/call_filter\\.cc"),
     "system call filters are behind service/call_filter"},
    {std::regex("future|latch"), std::regex("(?!)"),
     "the waiting thread may destroy a promise or latch while another thread is still inside it: "
     "service/answers.h"},
    {std::regex("CLI/.*"), std::regex("tools/.*"), "the command line is tools' own"},
    {std::regex("nlohmann/.*"), std::regex("tools/.*|service/control_protocol\\.cc"),
     "of service/, only the control socket's protocol is JSON; a server and its client read and "
     "write it with the same functions"},
};

struct Include {
    std::string file;  // from the root
    int line;
    std::string target;
    bool quoted;
};

std::vector<Include> includes() {
    static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*$)");
    std::vector<Include> found;
    for (const auto& [folder, ignored] : may_include) {
        if (!fs::exists(root / folder)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
            const auto extension = entry.path().extension();
            if (extension != ".h" && extension != ".cc") continue;
            std::ifstream text(entry.path());
            std::string line;
            for (int number = 1; std::getline(text, line); ++number) {
                std::smatch match;
                if (std::regex_match(line, match, pattern))
                    found.push_back({fs::relative(entry.path(), root).string(), number, match[2],
                                     match[1] == "\""});
            }
        }
    }
    return found;
}

std::string first_folder(const std::string& path) {
    return path.substr(0, path.find('/'));
}

TEST(Layering, TheTestFindsTheSources) {
    const auto all = includes();
    EXPECT_GT(all.size(), 50U);
    EXPECT_TRUE(std::any_of(all.begin(), all.end(),
                            [](const auto& include) { return include.file == "zone/limits.h"; }));
}

TEST(Layering, FoldersIncludeOnlyWhatTheirLayerAllows) {
    for (const auto& include : includes()) {
        if (!include.quoted) continue;
        const auto target = first_folder(include.target);
        EXPECT_TRUE(fs::exists(root / include.target))
            << include.file << ":" << include.line << ": \"" << include.target
            << "\" is not a path from the root";
        EXPECT_TRUE(may_include.at(first_folder(include.file)).contains(target))
            << include.file << ":" << include.line << " includes " << include.target << ", but "
            << first_folder(include.file) << "/ may not use " << target << "/";
    }
}

// Headers that define types nested in a class, for the class's own source files: each includes the
// class, whose sources include it.
const std::set<std::string> private_parts{"virtio-blk/slot.h", "virtio-scsi/slot.h"};

// A header and its source file are one unit. If each of two units includes the other's header, no
// reader can tell which of them is the lower one.
TEST(Layering, NoTwoUnitsIncludeEachOther) {
    const auto unit = [](const std::string& file) { return file.substr(0, file.rfind('.')); };
    std::map<std::pair<std::string, std::string>, std::string> including;
    for (const auto& include : includes())
        if (include.quoted && unit(include.file) != unit(include.target) &&
            !private_parts.contains(include.file))
            including[{unit(include.file), unit(include.target)}] = include.file;
    for (const auto& [units, file] : including) {
        const auto back = including.find({units.second, units.first});
        EXPECT_TRUE(back == including.end() || units.second < units.first)
            << file << " includes " << units.second << ".h, and " << back->second << " includes "
            << units.first << ".h: move what both need to where both may see it";
    }
}

TEST(Layering, KernelInterfacesStayBehindTheirWrappers) {
    for (const auto& include : includes()) {
        if (include.quoted) continue;
        for (const auto& [header, user, why] : reserved)
            if (std::regex_match(include.target, header)) {
                EXPECT_TRUE(std::regex_match(include.file, user))
                    << include.file << ":" << include.line << " includes <" << include.target
                    << ">: " << why;
            }
    }
}

// start_thread() leaves SIGBUS unblocked. With SIGBUS blocked, a page that a front end truncated
// would kill the process.
TEST(Layering, ThreadsAreStartedInOnePlace) {
    const std::regex starts(
        R"(pthread_create|std::jthread|std::async|std::thread\s*[({]|std::thread\s+\w+\s*[({]|thread_?\s*[({]\s*\[)");
    const std::regex masks(R"(\b(pthread_sigmask|sigprocmask)\b)");
    for (const auto& [folder, ignored] : may_include) {
        if (!fs::exists(root / folder)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
            if (entry.path().extension() != ".h" && entry.path().extension() != ".cc") continue;
            const auto name = fs::relative(entry.path(), root).string();
            if (entry.path().stem() == "thread") continue;
            std::ifstream file(entry.path());
            const std::string text{std::istreambuf_iterator<char>(file), {}};
            EXPECT_FALSE(std::regex_search(text, starts))
                << name << " starts a thread without start_thread()";
            EXPECT_TRUE(name == "service/serve.cc" || !std::regex_search(text, masks))
                << name
                << " sets a signal mask; start_thread() does, and serve for the main thread";
        }
    }
}

TEST(Layering, HeadersBeginWithTheirPurposeAndHaveAGuard) {
    for (const auto& [folder, ignored] : may_include) {
        for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
            if (entry.path().extension() != ".h") continue;
            std::ifstream file(entry.path());
            const std::string text{std::istreambuf_iterator<char>(file), {}};
            const auto name = fs::relative(entry.path(), root).string();
            EXPECT_NE(text.find("#pragma once"), std::string::npos) << name;
            EXPECT_TRUE(text.starts_with("// ")) << name << " does not begin with its purpose";
            EXPECT_EQ(text.find("// Ownership: none."), std::string::npos)
                << name << ": omit the line if there is no rule";
        }
    }
}

}  // namespace
