// zonebridge create: makes an emulated disk.
#include <cstdio>
#include <memory>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/size.h"
#include "tools/disk_client.h"
#include "tools/files.h"
#include "tools/shape.h"
#include "tools/verb.h"
#include "transports/emulated/emulated.h"
#include "transports/open.h"
#include "zone/types.h"

namespace zonebridge::tools {
namespace {

struct CreateOptions {
    std::string file;
    ShapeOptions shape;
    DeviceArguments like;
    bool json = false;
};

CLI::Option* add_block_size(CLI::App& app, const std::string& name,
                            std::optional<std::uint32_t>& value, const std::string& help) {
    return add_parsed(app, name, "512|4096", help,
                      [&value](const std::string& text) -> std::optional<std::string> {
                          const auto size = parse_size(text);
                          if (!size || (*size != 512 && *size != 4096))
                              return fmt::format("'{}' is not a block size: give 512 or 4096",
                                                 text);
                          value = static_cast<std::uint32_t>(*size);
                          return std::nullopt;
                      });
}

CLI::Option* add_model(CLI::App& app, std::optional<Model>& model) {
    return add_parsed(app, "--model", "MODEL",
                      "host-managed (the default), host-aware, or none: a disk without zones",
                      [&model](const std::string& text) -> std::optional<std::string> {
                          const auto parsed = parse_model(text);
                          if (!parsed)
                              return fmt::format(
                                  "'{}' is not a model: give host-managed, host-aware or none",
                                  text);
                          model = *parsed;
                          return std::nullopt;
                      });
}

std::string describe(const emulated::Shape& shape, const Layout& layout) {
    if (shape.model == Model::none) return "an ordinary disk without zones";
    auto words = fmt::format("{}, {} zones of {}", to_string(shape.model), layout.zone_count(),
                             exact_size(shape.zone_size));
    if (shape.zone_capacity && *shape.zone_capacity != shape.zone_size)
        words += fmt::format(" (capacity {})", exact_size(*shape.zone_capacity));
    if (shape.conventional > 0) words += fmt::format(", {} conventional", shape.conventional);
    return words;
}

/// The command line's options over the other device's shape.
tl::expected<emulated::Shape, Failure> shape_for(const CreateOptions& options) {
    if (options.like.name.empty()) {
        if (!options.shape.size) return tl::unexpected(misuse("--size is required (or --like)"));
        auto shape = options.shape.over({});
        if (shape.model != Model::none && !options.shape.zone_size)
            return tl::unexpected(misuse("--zone-size is required (except with --model none)"));
        return shape;
    }
    const auto session = DiskClient::open(options.like, DiskClient::Access::read);
    if (!session) return tl::unexpected(session.error());
    return shape_like(session->limits(), options.shape, session->device());
}

Outcome run(const CreateOptions& options) {
    const auto wanted = shape_for(options);
    if (!wanted) return tl::unexpected(wanted.error());
    const auto& shape = *wanted;
    if (const auto valid = emulated::validate(shape); !valid)
        return tl::unexpected(misuse(valid.error().message));
    if (const auto made = emulated::create(options.file, shape); !made)
        return tl::unexpected(failure_of(made.error()));

    const Layout layout(shape.size, shape.zone_size, shape.zone_capacity.value_or(shape.zone_size),
                        shape.conventional, ZoneType::sequential_write_required);
    Output out(STDOUT_FILENO);
    if (options.json) {
        nlohmann::ordered_json document;
        document["created"] = options.file;
        document["model"] = to_string(shape.model);
        document["size"] = shape.size;
        document["zone_size"] = shape.zone_size;
        document["zone_count"] = layout.zone_count();
        out.print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
        out.print("created {}: {}, {}\n", one_line(options.file), readable_size(shape.size),
                  describe(shape, layout));
    }
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(
            refusal(fmt::format("{} was created, but the result could not be printed: {}",
                                options.file, failure_of(flushed.error()).message)));
    return {};
}

}  // namespace

Verb add_create(CLI::App& program) {
    auto options = std::make_shared<CreateOptions>();
    auto* app =
        add_verb(program, "create", "Make an emulated zoned disk in a sparse file",
                 {"zonebridge create disk.img --size 10G --zone-size 256M --conventional 4",
                  "zonebridge create zns.img --size 64G --zone-size 128M --zone-capacity 96M "
                  "--max-active 14",
                  "zonebridge create twin.img --like /dev/nvme0n1"});
    require(add_parsed(
        *app, "FILE", "", "The file to create; an existing file is never overwritten",
        [options](const std::string& text) -> std::optional<std::string> {
            auto name = parse_device_name(text);
            if (!name) return name.error().message;
            if (name->kind == DeviceName::Kind::null)
                return "a null: device needs no file: name it where you use it, without creating "
                       "it";
            if (name->kind != DeviceName::Kind::path && name->kind != DeviceName::Kind::emulated)
                return fmt::format("'{}' names a real device, but 'create' makes only files", text);
            options->file = std::move(name->path);
            return std::nullopt;
        }));
    auto& shape = options->shape;
    add_size(*app, "--size", shape.size, "The disk's size in bytes, or with K, M, G, T");
    add_size(*app, "--zone-size", shape.zone_size, "Bytes from one zone's start to the next");
    add_size(*app, "--zone-capacity", shape.zone_capacity,
             "Bytes that can be written in a zone (default: the zone size)");
    add_number(*app, "--conventional", shape.conventional,
               "How many zones at the start are conventional (default: 0)");
    add_number(*app, "--max-open", shape.max_open,
               "How many zones may be open at once (default: no limit)");
    add_number(*app, "--max-active", shape.max_active,
               "How many zones may be open or closed at once (default: no limit)");
    add_block_size(*app, "--block-size", shape.block_size, "The logical block (default: 512)");
    add_block_size(*app, "--physical-block-size", shape.physical_block_size,
                   "The physical block, the unit of sequential writes (default: 4096)");
    add_model(*app, shape.model);
    add_parsed(*app, "--like", "DEVICE",
               "Copy the size, zones and limits of this disk, which is not changed; other options "
               "override them",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (const auto name = parse_device_name(text); !name)
                       return name.error().message;
                   options->like.name = text;
                   return std::nullopt;
               });
    add_flag(*app, "--json", options->json, "Print the result as one JSON document");
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
