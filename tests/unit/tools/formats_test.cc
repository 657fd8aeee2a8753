#include "tools/formats.h"

#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/size.h"
#include "tests/unit/support/temporary.h"

namespace zonebridge::tools {
namespace {

std::vector<Zone> sample_zones() {
    using enum ZoneType;
    return {
        {0, 4 * MiB, 4 * MiB, std::nullopt, conventional, ZoneState::not_write_pointer},
        {4 * MiB, 4 * MiB, 3 * MiB, 5 * MiB, sequential_write_required, ZoneState::implicit_open},
        {8 * MiB, 4 * MiB, 3 * MiB, std::nullopt, sequential_write_required, ZoneState::full},
    };
}

/// The output of a writer for `sample_zones`.
template <typename Make>
std::string written(const std::vector<Zone>& sample_zones, Make make) {
    const test::TemporaryFolder folder;
    const auto path = folder / "out";
    const auto fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    Output out(fd, "out");
    const auto writer = make(out);
    writer->begin();
    std::uint32_t number = 0;
    for (const auto& zone : sample_zones) writer->zone(number++, zone);
    writer->end();
    EXPECT_TRUE(out.flush());
    ::close(fd);
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(JsonWriter, WritesOneDocumentWithTheDocumentedKeys) {
    const auto text =
        written(sample_zones(), [](Output& out) { return json_writer(out, "d", ""); });
    const auto document = nlohmann::json::parse(text);
    EXPECT_EQ(document["device"], "d");
    EXPECT_FALSE(document.contains("notice"));
    ASSERT_EQ(document["zones"].size(), 3U);
    const auto& zone = document["zones"][1];
    EXPECT_EQ(zone.size(), 6U);
    EXPECT_EQ(zone["start"], 4 * MiB);
    EXPECT_EQ(zone["length"], 4 * MiB);
    EXPECT_EQ(zone["capacity"], 3 * MiB);
    EXPECT_EQ(zone["write_pointer"], 5 * MiB);
    EXPECT_EQ(zone["type"], "sequential-write-required");
    EXPECT_EQ(zone["state"], "implicit-open");
    EXPECT_TRUE(document["zones"][0]["write_pointer"].is_null());
    EXPECT_TRUE(document["zones"][2]["write_pointer"].is_null());
}

TEST(JsonWriter, EscapesNames) {
    const std::string name = "a\"b\\c\n\x01 \xc3\xbc \xff";
    const auto text =
        written({}, [&](Output& out) { return json_writer(out, name, "say \"this\""); });
    const auto document = nlohmann::json::parse(text);
    EXPECT_EQ(document["device"], "a\"b\\c\n\x01 \xc3\xbc \xef\xbf\xbd");
    EXPECT_EQ(document["notice"], "say \"this\"");
    EXPECT_TRUE(document["zones"].is_array());
    EXPECT_TRUE(document["zones"].empty());
}

TEST(CsvWriter, HasAHeadingAndEmptyFieldsForAbsentPointers) {
    EXPECT_EQ(written(sample_zones(), [](Output& out) { return csv_writer(out); }),
              "start,length,capacity,write_pointer,type,state\n"
              "0,4194304,4194304,,conventional,not-write-pointer\n"
              "4194304,4194304,3145728,5242880,sequential-write-required,implicit-open\n"
              "8388608,4194304,3145728,,sequential-write-required,full\n");
}

TEST(TableWriter, AlignsItsColumns) {
    const Layout layout(12 * MiB, 4 * MiB, 3 * MiB, 1, ZoneType::sequential_write_required);
    const auto text =
        written(sample_zones(), [&](Output& out) { return table_writer(out, layout); });
    std::istringstream lines(text);
    std::string heading;
    std::getline(lines, heading);
    const auto type = heading.find("type");
    const auto state = heading.find("state");
    const auto start_end = heading.find("start") + 5;
    std::string line;
    for (const auto& zone : sample_zones()) {
        ASSERT_TRUE(std::getline(lines, line));
        EXPECT_EQ(line.find(to_string(zone.type)), type) << line;
        EXPECT_EQ(line.find(to_string(zone.state), state), state) << line;
        const auto start = std::to_string(zone.start);
        EXPECT_EQ(line.substr(start_end - start.size(), start.size()), start) << line;
    }
    EXPECT_FALSE(std::getline(lines, line));
    EXPECT_NE(text.find(" 33%"), std::string::npos);
    EXPECT_NE(text.find(" 100%"), std::string::npos);
}

}  // namespace
}  // namespace zonebridge::tools
