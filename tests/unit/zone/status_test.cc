#include "zone/status.h"

#include <cerrno>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace zonebridge {
namespace {

constexpr int code_count = static_cast<int>(StatusCode::aborted) + 1;

TEST(Status, EveryCodeHasItsOwnWordThatParsesBack) {
    std::set<std::string> words;
    for (int value = 0; value < code_count; ++value) {
        const auto code = static_cast<StatusCode>(value);
        const auto word = std::string(to_string(code));
        EXPECT_NE(word, "unknown") << value;
        EXPECT_EQ(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string::npos) << word;
        EXPECT_TRUE(words.insert(word).second) << word << " stands for two codes";
        EXPECT_EQ(parse_status_code(word), code);
    }
    EXPECT_EQ(to_string(static_cast<StatusCode>(code_count)), "unknown");
    EXPECT_EQ(parse_status_code("unknown"), std::nullopt);
    EXPECT_EQ(parse_status_code(""), std::nullopt);
    EXPECT_EQ(parse_status_code("OK"), std::nullopt);
}

TEST(Status, PublishedWordsDoNotChange) {
    EXPECT_EQ(to_string(StatusCode::ok), "ok");
    EXPECT_EQ(to_string(StatusCode::unaligned_write), "unaligned-write");
    EXPECT_EQ(to_string(StatusCode::zone_read_only), "zone-read-only");
    EXPECT_EQ(to_string(StatusCode::too_many_active), "too-many-active");
    EXPECT_EQ(to_string(StatusCode::no_space), "no-space");
}

TEST(Status, EveryCodeHasItsOwnExplanation) {
    std::set<std::string> sentences;
    for (int value = 0; value < code_count; ++value) {
        const auto sentence = std::string(explain(static_cast<StatusCode>(value)));
        EXPECT_FALSE(sentence.empty());
        EXPECT_NE(sentence.back(), '.') << "an explanation is a part of a sentence: " << sentence;
        EXPECT_TRUE(sentences.insert(sentence).second) << sentence;
    }
}

TEST(Status, CausesAreNamedInTheTermsOfTheirSource) {
    EXPECT_EQ(to_string(NativeCause{}), "");
    EXPECT_EQ(to_string(NativeCause::os_error(ENOSPC)), "ENOSPC (No space left on device)");
    EXPECT_EQ(to_string(NativeCause::os_error(99999)), "errno 99999");
    EXPECT_EQ(to_string(NativeCause{NativeCause::Source::scsi_sense, 0x052104}), "sense 5/21/04");
    EXPECT_EQ(to_string(NativeCause{NativeCause::Source::scsi_sense, 0x07550E}), "sense 7/55/0E");
    EXPECT_EQ(to_string(NativeCause{NativeCause::Source::nvme_status, 0x1BC}), "NVMe status 1/bc");
}

TEST(Status, SystemFailuresNameTheActionAndTheErrorAndKeepTheCause) {
    const auto error = os_failure(EACCES, "cannot open /dev/sdz");
    EXPECT_EQ(error.message, "cannot open /dev/sdz: Permission denied");
    EXPECT_EQ(error.code, StatusCode::io_error);
    EXPECT_EQ(error.cause, NativeCause::os_error(EACCES));
    EXPECT_EQ(os_failure(99999, "x").message, "x: errno 99999");
}

TEST(Status, AnErrorsTextNamesItsCauseOnce) {
    EXPECT_EQ(to_string(Error{StatusCode::io_error, "no such LUN", {}}), "no such LUN");
    EXPECT_EQ(to_string(os_failure(EACCES, "/dev/sdz")), "/dev/sdz: Permission denied (EACCES)");
    const auto cause = NativeCause::os_error(EACCES);
    EXPECT_EQ(to_string(Error{StatusCode::io_error, "not opened", cause}),
              "not opened (EACCES: Permission denied)");
    EXPECT_EQ(to_string(Error{StatusCode::io_error, "EACCES at open", cause}), "EACCES at open");
    EXPECT_EQ(
        to_string(Error{
            StatusCode::io_error, "the disk failed", {NativeCause::Source::scsi_sense, 0x052104}}),
        "the disk failed (sense 5/21/04)");
}

TEST(Status, SystemErrorsMapToStatusCodes) {
    constexpr std::pair<int, StatusCode> expected[] = {
        {ENOSPC, StatusCode::no_space},    {EDQUOT, StatusCode::no_space},
        {ENODEV, StatusCode::device_gone}, {ENXIO, StatusCode::device_gone},
        {EROFS, StatusCode::read_only},    {EIO, StatusCode::io_error},
        {EINVAL, StatusCode::io_error},    {99999, StatusCode::io_error}};
    for (const auto& [error, code] : expected) {
        EXPECT_EQ(status_of_errno(error), code) << error;
        EXPECT_EQ(os_failure(error, "x").code, code) << error;
    }
}

}  // namespace
}  // namespace zonebridge
