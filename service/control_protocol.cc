#include "service/control_protocol.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "service/log.h"
#include "transports/device_name.h"

namespace zonebridge::service {
namespace {

using Json = nlohmann::ordered_json;
using Command = ControlRequest::Command;

struct Known {
    Command command;
    std::string_view word;
    std::vector<std::string_view> fields;  // besides version and command
};
const std::array<Known, 4>& known_commands() {
    static const std::array<Known, 4> known{
        {{Command::list, "list", {}},
         {Command::add,
          "add",
          {"lun", "device", "read_only", "translate", "force", "accept_loss", "allow"}},
         {Command::remove, "remove", {"lun", "now"}},
         {Command::refresh, "refresh", {"lun"}}}};
    return known;
}

std::string to_line(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Parses one object: no duplicate names, nothing nested deeper than a list of strings.
std::optional<Json> parse_object(std::string_view line) {
    bool plain = true;
    std::set<std::string> names;
    const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
        using Event = Json::parse_event_t;
        if (event == Event::key && depth == 1)
            plain = names.insert(parsed.get<std::string>()).second && plain;
        if ((event == Event::object_start && depth > 0) ||
            (event == Event::array_start && depth > 1))
            plain = false;
        return plain;
    };
    auto json = Json::parse(line, check, false);
    if (!plain || json.is_discarded() || !json.is_object()) return std::nullopt;
    return json;
}

bool is_clean(std::string_view text) {
    return one_line(text) == text;
}

/// Reads an object's fields; keeps the first error.
class Fields {
  public:
    explicit Fields(const Json& json) : json_(json) {}

    [[nodiscard]] const std::optional<std::string>& wrong() const noexcept { return wrong_; }
    void blame(std::string what) {
        if (!wrong_) wrong_ = std::move(what);
    }

    void need(const char* name) {
        if (!json_.contains(name)) blame(fmt::format("'{}' is missing", name));
    }
    void take(const char* name, bool& value) {
        if (!json_.contains(name)) return;
        if (json_[name].is_boolean())
            value = json_[name].get<bool>();
        else
            blame(fmt::format("'{}' is neither true nor false", name));
    }
    void take(const char* name, std::string& value) {
        if (!json_.contains(name)) return;
        if (json_[name].is_string() && is_clean(json_[name].get_ref<const std::string&>()))
            value = json_[name].get<std::string>();
        else
            blame(fmt::format("'{}' is not a text of one line", name));
    }
    void take(const char* name, std::vector<std::string>& values) {
        if (!json_.contains(name)) return;
        if (!json_[name].is_array()) return blame(fmt::format("'{}' is not a list", name));
        for (const auto& value : json_[name]) {
            if (!value.is_string() || !is_clean(value.get_ref<const std::string&>()))
                return blame(fmt::format("'{}' is not a list of words", name));
            values.push_back(value.get<std::string>());
        }
    }
    template <typename Number>
    void take_number(const char* name, Number& value, std::uint64_t most) {
        if (!json_.contains(name)) return;
        if (json_[name].is_number_unsigned() && json_[name].get<std::uint64_t>() <= most)
            value = static_cast<Number>(json_[name].get<std::uint64_t>());
        else
            blame(fmt::format("'{}' is not a number from 0 to {}", name, most));
    }

  private:
    const Json& json_;
    std::optional<std::string> wrong_;
};

/// The server's working directory differs, so a relative path would name another file there.
std::optional<std::string> wrong_device(const std::string& device) {
    const auto name = parse_device_name(device);
    if (!name) return name.error().message;
    if (name->kind != DeviceName::Kind::null && !name->path.starts_with('/'))
        return fmt::format("'{}' is not an absolute path", name->path);
    return std::nullopt;
}

ControlLun lun_of(const LunInfo& info) {
    const auto& layout = info.limits.layout;
    return {.number = info.number,
            .device = info.device,
            .read_only = info.read_only,
            .passed_through = info.passed_through,
            .removing = info.removing,
            .model = std::string(to_string(info.limits.model)),
            .size = layout.size(),
            .zone_size = layout.zone_size(),
            .zone_count = layout.zone_count(),
            .block_size = info.limits.logical_block_size,
            .size_before = std::nullopt};
}

Json object_of(const ControlLun& lun) {
    return {{"lun", lun.number},          {"device", lun.device},
            {"read_only", lun.read_only}, {"passed_through", lun.passed_through},
            {"removing", lun.removing},   {"model", lun.model},
            {"size", lun.size},           {"block_size", lun.block_size},
            {"zone_size", lun.zone_size}, {"zone_count", lun.zone_count}};
}

Json success(Json luns) {
    Json answer;
    answer["version"] = control_version;
    answer["ok"] = true;
    answer["luns"] = std::move(luns);
    return answer;
}

tl::expected<Json, Error> carry_out(const ControlRequest& request, LunTable& luns) {
    Json list = Json::array();
    switch (request.command) {
        case Command::list:
            for (const auto& info : luns.list()) list.push_back(object_of(lun_of(info)));
            break;
        case Command::add: {
            const auto added = luns.add(request.lun, request.device, request.options);
            if (!added) return tl::unexpected(added.error());
            list.push_back(object_of(lun_of(*added)));
            break;
        }
        case Command::remove:
            if (const auto removed = luns.remove(request.lun, request.removal); !removed)
                return tl::unexpected(removed.error());
            break;
        case Command::refresh: {
            const auto refreshed = luns.refresh(request.lun);
            if (!refreshed) return tl::unexpected(refreshed.error());
            auto one = object_of(lun_of(refreshed->info));
            one["size_before"] = refreshed->size_before;
            list.push_back(std::move(one));
            break;
        }
    }
    return list;
}

}  // namespace

std::optional<std::string> encode(const ControlRequest& request) {
    Json json;
    json["version"] = control_version;
    for (const auto& known : known_commands())
        if (known.command == request.command) json["command"] = known.word;
    if (request.command != Command::list) json["lun"] = request.lun;
    if (request.command == Command::add) {
        json["device"] = request.device;
        json["read_only"] = request.options.read_only;
        json["translate"] = request.options.translate;
        json["force"] = request.options.force;
        json["accept_loss"] = request.options.accept_loss;
        json["allow"] = request.options.allow;
    }
    if (request.command == Command::remove) json["now"] = request.removal == Removal::now;
    try {
        return json.dump();
    } catch (const Json::type_error&) {
        return std::nullopt;
    }
}

tl::expected<ControlRequest, BadRequest> parse_request(std::string_view line) {
    const auto bad = [](std::string message, bool hopeless = false) {
        return tl::unexpected(BadRequest{std::move(message), hopeless});
    };
    const auto json = parse_object(line);
    if (!json)
        return bad("a request must be one JSON object on one line, with each name once", true);
    Fields fields(*json);
    fields.need("version");
    fields.need("command");
    unsigned version = control_version;
    fields.take_number("version", version, control_version);
    if (version != control_version || fields.wrong())
        return bad(fmt::format("{}; this server speaks version {}",
                               fields.wrong().value_or("the request has another version"),
                               control_version));
    std::string word;
    fields.take("command", word);
    if (fields.wrong()) return bad(*fields.wrong());
    const auto& commands = known_commands();
    const auto* const known = std::find_if(commands.begin(), commands.end(),
                                           [&](const Known& one) { return one.word == word; });
    if (known == commands.end())
        return bad(fmt::format(
            "there is no command '{}'; the commands are list, add, remove, refresh", word));
    for (const auto& [name, value] : json->items())
        if (name != "version" && name != "command" &&
            std::find(known->fields.begin(), known->fields.end(), name) == known->fields.end())
            return bad(fmt::format("the command '{}' has no field '{}'", word, one_line(name)));

    ControlRequest request;
    request.command = known->command;
    if (request.command != Command::list) fields.need("lun");
    if (request.command == Command::add) fields.need("device");
    bool now = false;
    fields.take_number("lun", request.lun, LunTable::most_number);
    fields.take("device", request.device);
    fields.take("read_only", request.options.read_only);
    fields.take("translate", request.options.translate);
    fields.take("force", request.options.force);
    fields.take("accept_loss", request.options.accept_loss);
    fields.take("allow", request.options.allow);
    fields.take("now", now);
    if (request.command == Command::add && !fields.wrong())
        if (auto wrong = wrong_device(request.device)) fields.blame(std::move(*wrong));
    if (fields.wrong()) return bad(*fields.wrong());
    if (now) request.removal = Removal::now;
    return request;
}

std::optional<tl::expected<ControlAnswer, std::string>> parse_answer(std::string_view line) {
    const auto json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("ok") || !json["ok"].is_boolean()) return std::nullopt;
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    ControlAnswer answer;
    if (!json["ok"].get<bool>()) {
        if (!json.contains("error") || !json["error"].is_string()) return std::nullopt;
        return tl::unexpected(json["error"].get<std::string>());
    }
    if (!json.contains("luns") || !json["luns"].is_array()) return std::nullopt;
    for (const auto& one : json["luns"]) {
        if (!one.is_object()) return std::nullopt;
        Fields fields(one);
        auto& lun = answer.luns.emplace_back();
        for (const auto* name : {"lun", "device", "read_only", "passed_through", "model", "size",
                                 "block_size", "zone_size", "zone_count"})
            fields.need(name);
        fields.take_number("lun", lun.number, LunTable::most_number);
        fields.take("device", lun.device);
        fields.take("read_only", lun.read_only);
        fields.take("passed_through", lun.passed_through);
        fields.take("removing", lun.removing);  // absent from the answers of earlier servers
        fields.take("model", lun.model);
        fields.take_number("size", lun.size, most);
        fields.take_number("block_size", lun.block_size, std::numeric_limits<std::uint32_t>::max());
        fields.take_number("zone_size", lun.zone_size, most);
        fields.take_number("zone_count", lun.zone_count, most);
        if (one.contains("size_before"))
            fields.take_number("size_before", lun.size_before.emplace(), most);
        if (fields.wrong()) return std::nullopt;
    }
    return answer;
}

tl::expected<void, std::string> check_greeting(std::string_view line) {
    const auto json = Json::parse(line, nullptr, false);
    if (const auto answer = parse_answer(line); answer && !*answer)
        return tl::unexpected(answer->error());
    if (!json.is_object() || !json.contains("server") || json["server"] != "zonebridge" ||
        !json.contains("version"))
        return tl::unexpected(std::string("no Zonebridge server is listening there"));
    if (json["version"] != control_version)
        return tl::unexpected(fmt::format(
            "the server there speaks version {} of the control protocol, and this program speaks "
            "version {}: use the zonebridge program that started the server",
            to_line(json["version"]), control_version));
    return {};
}

std::string to_json(const std::vector<ControlLun>& luns) {
    Json document;
    document["luns"] = Json::array();
    for (const auto& lun : luns) document["luns"].push_back(object_of(lun));
    return document.dump(2);
}

std::string control_greeting() {
    Json greeting;
    greeting["server"] = "zonebridge";
    greeting["version"] = control_version;
    return to_line(greeting);
}

ControlReply answer_request(std::string_view line, LunTable& luns) {
    const auto request = parse_request(line);
    if (!request) return {control_complaint(request.error().message), request.error().hopeless};
    auto done = carry_out(*request, luns);
    if (!done) return {control_complaint(to_string(done.error())), false};
    return {to_line(success(std::move(*done))), false};
}

std::string control_complaint(std::string_view what) {
    Json answer;
    answer["version"] = control_version;
    answer["ok"] = false;
    answer["error"] = what;
    return to_line(answer);
}

}  // namespace zonebridge::service
