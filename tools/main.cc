// zonebridge: the command line program.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tools/failure.h"
#include "tools/files.h"
#include "tools/verb.h"

namespace zonebridge::tools {
namespace {

int finish(Exit exit) {
    return static_cast<int>(exit);
}

/// `where`: the verb; empty if there is none yet.
int complain(const Failure& failure, const std::string& where) {
    const auto prefix = where.empty() ? std::string() : where + ": ";
    fmt::print(stderr, "zonebridge: {}{}\n", prefix, one_line(failure.message));
    if (failure.exit == Exit::usage)
        fmt::print(stderr, "See 'zonebridge {}{}--help' for help.\n", where,
                   where.empty() ? "" : " ");
    return finish(failure.exit);
}

int print(std::string_view text) {
    Output out(STDOUT_FILENO);
    out.write(text);
    if (const auto flushed = out.flush(); !flushed)
        return complain(failure_of(flushed.error()), "");
    return finish(Exit::done);
}

std::string list_of(const std::vector<Verb>& verbs) {
    std::string names;
    for (const auto& verb : verbs) {
        if (!names.empty()) names += ", ";
        names += verb.app->get_name();
    }
    return names;
}

/// The error of a wrong verb, for which CLI11 would say only that something was not expected.
std::optional<std::string> wrong_verb(int argc, char** argv, const std::vector<Verb>& verbs) {
    if (argc < 2) return "no command is given: give one of " + list_of(verbs);
    const std::string_view word = argv[1];
    if (word == "-h" || word == "--help" || word == "--version") return std::nullopt;
    for (const auto& verb : verbs)
        if (verb.app->get_name() == word) return std::nullopt;
    if (!word.empty() && word.front() == '-')
        return fmt::format("the command must come first, not '{}': give one of {}", word,
                           list_of(verbs));
    return fmt::format("there is no command '{}'; the commands are {}", word, list_of(verbs));
}

/// CLI11 reports missing required options before unknown ones; a mistyped option is the likelier
/// error.
std::string reason_of(const CLI::ParseError& error, const Verb* verb) {
    if (verb != nullptr)
        for (const auto& word : verb->app->remaining(true))
            if (word.size() > 1 && word.front() == '-')
                return fmt::format("there is no option '{}'", word);
    return error.what();
}

int run(int argc, char** argv) {
    CLI::App program("Serve zoned disks of this host to virtual machines, and manage them.",
                     "zonebridge");
    program.require_subcommand(1);
    program.set_version_flag("--version", "zonebridge " ZONEBRIDGE_VERSION);
    program.footer(
        "DEVICE is the path of a disk of this host or of an emulated disk. A prefix chooses the "
        "transport: block:PATH, scsi:PATH, nvme:PATH, emulated:PATH; null:SIZE is a device that "
        "stores nothing. Sizes and offsets are in bytes and take K, M, G, T (1024).\nExit status: "
        "0 done, 1 the operation failed, 2 the command line is wrong.\n\nExample:\n  zonebridge "
        "create disk.img --size 10G --zone-size 256M\n  zonebridge report disk.img --map\n  "
        "zonebridge list\n\nMore: man zonebridge");
    std::vector<Verb> verbs;
    verbs.push_back(add_list(program));
    verbs.push_back(add_create(program));
    verbs.push_back(add_info(program));
    verbs.push_back(add_report(program));
    for (auto& verb : add_actions(program)) verbs.push_back(std::move(verb));
    verbs.push_back(add_read(program));
    verbs.push_back(add_write(program));
    verbs.push_back(add_append(program));
    verbs.push_back(add_serve(program));
    verbs.push_back(add_lun(program));
    verbs.push_back(add_bench(program));

    if (const auto wrong = wrong_verb(argc, argv, verbs)) {
        if (argc < 2) fmt::print(stderr, "{}\n", program.help());
        return complain(misuse(*wrong), "");
    }
    const auto chosen = [&verbs]() -> const Verb* {
        for (const auto& verb : verbs)
            if (verb.app->parsed()) return &verb;
        return nullptr;
    };
    try {
        program.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return print(program.help());
    } catch (const CLI::CallForVersion& version) {
        return print(std::string(version.what()) + "\n");
    } catch (const CLI::ParseError& error) {
        const auto* verb = chosen();
        return complain(misuse(reason_of(error, verb)),
                        verb != nullptr ? verb->app->get_name() : "");
    }
    const auto* verb = chosen();
    if (verb == nullptr) return complain(misuse("no command is given"), "");
    if (const auto outcome = verb->run(); !outcome)
        return complain(outcome.error(), verb->app->get_name());
    return finish(Exit::done);
}

}  // namespace
}  // namespace zonebridge::tools

int main(int argc, char** argv) {
    zonebridge::tools::guard_standard_streams();
    try {
        return zonebridge::tools::run(argc, argv);
    } catch (const std::exception& error) {
        // Setup may run out of memory; nothing else throws.
        fmt::print(stderr, "zonebridge: {}\n", zonebridge::tools::one_line(error.what()));
        return static_cast<int>(zonebridge::tools::Exit::failed);
    }
}
