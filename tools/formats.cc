#include "tools/formats.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/size.h"
#include "tools/zones.h"

namespace zonebridge::tools {
namespace {

std::size_t digits(std::uint64_t value) {
    return fmt::formatted_size("{}", value);
}

class TableWriter final : public ReportWriter {
  public:
    TableWriter(Output& out, const Layout& layout)
        : out_(out),
          number_width_(std::max<std::size_t>(4, digits(layout.zone_count()))),
          offset_width_(std::max<std::size_t>(13, digits(layout.size()))),
          size_width_(std::max({std::size_t{8}, exact_size(layout.zone_size()).size(),
                                exact_size(layout.zone_capacity()).size()})) {}

    void begin() override {
        out_.print("{:>{}} {:>{}} {:>{}} {:>{}} {:>{}} {:>8}  {:<26} {}\n", "zone", number_width_,
                   "start", offset_width_, "length", size_width_, "capacity", size_width_,
                   "write pointer", offset_width_, "written", "type", "state");
    }

    void zone(std::uint32_t number, const Zone& zone) override {
        const auto pointer = zone.write_pointer ? fmt::format("{}", *zone.write_pointer) : "-";
        out_.print("{:>{}} {:>{}} {:>{}} {:>{}} {:>{}} {:>8}  {:<26} {}\n", number, number_width_,
                   zone.start, offset_width_, exact_size(zone.length), size_width_,
                   exact_size(zone.capacity), size_width_, pointer, offset_width_, share(zone),
                   to_string(zone.type), to_string(zone.state));
    }

    void end() override {}

  private:
    /// Rounded so that only an empty zone is 0% and only a full one 100%.
    static std::string share(const Zone& zone) {
        const auto written = written_bytes(zone);
        if (!written || zone.capacity == 0) return "-";
        if (*written == 0) return "0%";
        const auto percent = static_cast<unsigned>(static_cast<double>(*written) * 100 /
                                                   static_cast<double>(zone.capacity));
        if (*written < zone.capacity && percent >= 100) return "99%";
        return percent == 0 ? "<1%" : fmt::format("{}%", percent);
    }

    Output& out_;
    std::size_t number_width_;
    std::size_t offset_width_;
    std::size_t size_width_;
};

class CsvWriter final : public ReportWriter {
  public:
    explicit CsvWriter(Output& out) : out_(out) {}

    void begin() override { out_.write("start,length,capacity,write_pointer,type,state\n"); }
    void zone(std::uint32_t, const Zone& zone) override {
        out_.print("{},{},{},", zone.start, zone.length, zone.capacity);
        if (zone.write_pointer) out_.print("{}", *zone.write_pointer);
        out_.print(",{},{}\n", to_string(zone.type), to_string(zone.state));
    }
    void end() override {}

  private:
    Output& out_;
};

class JsonWriter final : public ReportWriter {
  public:
    JsonWriter(Output& out, std::string device, std::string notice)
        : out_(out), device_(std::move(device)), notice_(std::move(notice)) {}

    void begin() override {
        out_.print("{{\"device\": {}", quoted(device_));
        if (!notice_.empty()) out_.print(", \"notice\": {}", quoted(notice_));
        out_.write(", \"zones\": [");
    }
    // Only numbers and the standards' words, so nothing needs escaping.
    void zone(std::uint32_t, const Zone& zone) override {
        out_.print("{}\n{{\"start\": {}, \"length\": {}, \"capacity\": {}, \"write_pointer\": ",
                   std::exchange(separator_, ","), zone.start, zone.length, zone.capacity);
        if (zone.write_pointer)
            out_.print("{}", *zone.write_pointer);
        else
            out_.write("null");
        out_.print(", \"type\": \"{}\", \"state\": \"{}\"}}", to_string(zone.type),
                   to_string(zone.state));
    }
    void end() override { out_.write("\n]}\n"); }

  private:
    static std::string quoted(const std::string& text) {
        return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }

    Output& out_;
    std::string device_;
    std::string notice_;
    std::string_view separator_;
};

}  // namespace

std::unique_ptr<ReportWriter> table_writer(Output& out, const Layout& layout) {
    return std::make_unique<TableWriter>(out, layout);
}

std::unique_ptr<ReportWriter> csv_writer(Output& out) {
    return std::make_unique<CsvWriter>(out);
}

std::unique_ptr<ReportWriter> json_writer(Output& out, std::string device, std::string notice) {
    return std::make_unique<JsonWriter>(out, std::move(device), std::move(notice));
}

}  // namespace zonebridge::tools
