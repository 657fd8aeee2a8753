// The contract suite's main: takes the device from the command line, writes a row of the table, and
// ends tests that hang.
#include <csignal>
#include <cstdio>
#include <fstream>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/contract/settings.h"
#include "transports/open.h"

namespace zonebridge::contract {
namespace {

extern "C" void hung(int) {
    constexpr char words[] = "FAIL: the test above did not end within the time limit\n";
    static_cast<void>(::write(STDOUT_FILENO, words, sizeof(words) - 1));
    ::_exit(124);
}

std::string full_name(const ::testing::TestInfo& test) {
    return fmt::format("{}.{}", test.test_suite_name(), test.name());
}

std::string one_line(std::string text) {
    for (auto& letter : text)
        if (letter == '\n' || letter == '\t') letter = ' ';
    return text;
}

/// The text of the first message of a test.
std::string words_of(const ::testing::TestResult& result) {
    for (int i = 0; i < result.total_part_count(); ++i) {
        const std::string words = result.GetTestPartResult(i).message();
        const auto begin = words.find_first_not_of("\n ");
        if (begin != std::string::npos) return one_line(words.substr(begin));
    }
    return "";
}

class Alarm final : public ::testing::EmptyTestEventListener {
    void OnTestStart(const ::testing::TestInfo&) override { ::alarm(settings().time_limit); }
    void OnTestEnd(const ::testing::TestInfo&) override { ::alarm(0); }
};

/// Prints a line per test in the format of tests/guest/checks.sh.
class Lines final : public ::testing::EmptyTestEventListener {
    void OnTestStart(const ::testing::TestInfo& test) override { print("RUN ", test, ""); }
    void OnTestPartResult(const ::testing::TestPartResult& part) override {
        if (part.failed() && failures_.size() < 4000)
            failures_ += fmt::format("{}:{}: {}\n", part.file_name() ? part.file_name() : "",
                                     part.line_number(), part.message());
    }
    void OnTestEnd(const ::testing::TestInfo& test) override {
        const auto& result = *test.result();
        if (result.Failed())
            print("FAIL", test, "");
        else if (result.Skipped())
            print("SKIP", test, fmt::format(" ({})", words_of(result)));
        else
            print("PASS", test, "");
        std::string line;
        for (const auto letter : failures_) {
            line += letter;
            if (letter != '\n') continue;
            std::printf("      %s", line.c_str());
            line.clear();
        }
        std::fflush(stdout);
        failures_.clear();
    }

    static void print(const char* word, const ::testing::TestInfo& test, const std::string& more) {
        // The running test is printed in another format, so that a test that hangs can be
        // identified.
        if (*word == 'R') return running(test);
        std::printf("%s: %s: %s%s\n", word, settings().label.c_str(), full_name(test).c_str(),
                    more.c_str());
        std::fflush(stdout);
    }
    static void running(const ::testing::TestInfo& test) {
        std::printf("  run: %s\n", full_name(test).c_str());
        std::fflush(stdout);
    }

    std::string failures_;
};

/// Writes the run's row, separated by tabs: device, transport, data path, passed, failed, skipped,
/// then the tests that were skipped or failed.
class Row final : public ::testing::EmptyTestEventListener {
    void OnTestEnd(const ::testing::TestInfo& test) override {
        const auto& result = *test.result();
        if (result.Failed()) {
            ++failed_;
            more_ += fmt::format("\tFAIL {}", full_name(test));
        } else if (result.Skipped()) {
            ++skipped_;
            more_ += fmt::format("\tSKIP {}: {}", full_name(test), words_of(result));
        } else {
            ++passed_;
        }
    }
    void OnTestProgramEnd(const ::testing::UnitTest&) override {
        std::ofstream(settings().table, std::ios::app)
            << fmt::format("{}\t{}\t{}\t{}\t{}\t{}{}\n", settings().label, transport_, data_path_,
                           passed_, failed_, skipped_, more_);
    }

  public:
    Row() {
        const auto device =
            open_device(settings().device, {.writable = false, .data_path = settings().data_path});
        if (!device) {
            data_path_ = one_line(device.error().message);
            return;
        }
        transport_ = (*device)->identity().transport;
        data_path_ = one_line((*device)->identity().data_path);
    }

  private:
    std::string transport_ = "-", data_path_, more_;
    int passed_ = 0, failed_ = 0, skipped_ = 0;
};

void leave_out(const std::string& tests) {
    const auto filter = GTEST_FLAG_GET(filter);
    GTEST_FLAG_SET(filter, filter + (filter.find('-') == std::string::npos ? "-" : ":") + tests);
}

int run(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    auto settings = parse(std::vector<std::string>(argv + 1, argv + argc));
    const test::TemporaryFolder folder;
    if (settings && settings->help) {
        std::fputs(usage, stdout);
        return 0;
    }
    if (settings) {
        if (auto made = make_device(*settings, folder); !made)
            settings = tl::unexpected(made.error());
    }
    if (!settings) {
        std::fprintf(stderr, "contract_test: %s\n", settings.error().c_str());
        return 2;
    }
    keep(std::move(*settings));

    // These need options that say how to remove the device, or which zones are read-only or
    // offline.
    if (contract::settings().vanish.empty()) leave_out("*Vanishing*");
    if (contract::settings().offline.empty()) leave_out("*Broken*/Offline");
    if (contract::settings().read_only.empty()) leave_out("*Broken*/ReadOnly");
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    if (contract::settings().lines) {
        delete listeners.Release(listeners.default_result_printer());
        listeners.Append(new Lines);
    }
    if (!contract::settings().table.empty()) listeners.Append(new Row);
    listeners.Append(new Alarm);
    std::signal(SIGALRM, hung);
    return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace zonebridge::contract

int main(int argc, char** argv) {
    return zonebridge::contract::run(argc, argv);
}
