#include "tests/cli/program.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

namespace zonebridge::test {
namespace {

const char* program() {
    const auto* path = std::getenv("ZONEBRIDGE");
    return path != nullptr ? path : ZONEBRIDGE_PROGRAM;
}

struct Pipe {
    int reader = -1;
    int writer = -1;

    Pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
        reader = ends[0];
        writer = ends[1];
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        close_reader();
        close_writer();
    }
    void close_reader() { close(reader); }
    void close_writer() { close(writer); }

  private:
    static void close(int& fd) {
        if (fd >= 0) ::close(std::exchange(fd, -1));
    }
};

[[noreturn]] void execute(std::vector<std::string> words, std::vector<std::string> settings) {
    words.insert(words.begin(), program());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    // The first setting of a name applies, so the caller's precede the defaults.
    settings.insert(settings.end(), {"PATH=/usr/bin:/bin", "LC_ALL=C"});
    for (const auto* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"})
        if (const auto* value = std::getenv(name))
            settings.push_back(std::string(name) + "=" + value);
    std::vector<char*> environment;
    for (auto& setting : settings) environment.push_back(setting.data());
    environment.push_back(nullptr);
    ::execve(program(), arguments.data(), environment.data());
    ::_exit(127);
}

[[noreturn]] void become(const Command& what, const Pipe& in, const Pipe& out, const Pipe& err) {
    if (what.closed_stdin)
        ::close(STDIN_FILENO);
    else
        ::dup2(in.reader, STDIN_FILENO);
    switch (what.out) {
        case Command::Stdout::captured:
        case Command::Stdout::gone_reader:
            ::dup2(out.writer, STDOUT_FILENO);
            break;
        case Command::Stdout::closed:
            ::close(STDOUT_FILENO);
            break;
        case Command::Stdout::full:
            ::dup2(::open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
            break;
    }
    ::dup2(err.writer, STDERR_FILENO);

    execute(what.arguments, what.environment);
}

/// Feeds and drains the child until it has closed its streams.
void exchange(const Command& what, Pipe& in, Pipe& out, Pipe& err, Result& result) {
    ::fcntl(in.writer, F_SETFL, O_NONBLOCK);
    std::size_t sent = 0;
    const auto drain = [](Pipe& pipe, std::string& text) {
        std::array<char, 65536> buffer;
        const auto got = ::read(pipe.reader, buffer.data(), buffer.size());
        if (got > 0)
            text.append(buffer.data(), static_cast<std::size_t>(got));
        else
            pipe.close_reader();
    };
    while (out.reader >= 0 || err.reader >= 0) {
        if (sent == what.input.size()) in.close_writer();
        std::array<pollfd, 3> fds{
            {{in.writer, POLLOUT, 0}, {out.reader, POLLIN, 0}, {err.reader, POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), 60'000) <= 0) throw std::runtime_error("a hung program");
        if (fds[0].revents != 0) {
            // An odd size, so that the program can't rely on the sizes of a pipe's pieces.
            const auto length = std::min<std::size_t>(what.input.size() - sent, 61'357);
            const auto put = ::write(in.writer, what.input.data() + sent, length);
            if (put >= 0)
                sent += static_cast<std::size_t>(put);
            else if (errno != EAGAIN)
                in.close_writer();
        }
        if (fds[1].revents != 0) drain(out, result.out);
        if (fds[2].revents != 0) drain(err, result.err);
    }
}

}  // namespace

Result run(const Command& what) {
    ::signal(SIGPIPE, SIG_IGN);
    Pipe in;
    Pipe out;
    Pipe err;
    // Before the fork, so that the child finds no reader from its start.
    if (what.out != Command::Stdout::captured) out.close_reader();
    const auto child = ::fork();
    if (child < 0) throw std::runtime_error("fork");
    if (child == 0) {
        ::signal(SIGPIPE, SIG_DFL);
        become(what, in, out, err);
    }
    in.close_reader();
    out.close_writer();
    err.close_writer();
    Result result;
    exchange(what, in, out, err, result);
    int status = 0;
    rusage usage{};
    if (::wait4(child, &status, 0, &usage) != child) throw std::runtime_error("wait4");
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.peak_memory = usage.ru_maxrss * 1024;
    return result;
}

Result zonebridge(std::vector<std::string> arguments, std::string input) {
    Command what;
    what.arguments = std::move(arguments);
    what.input = std::move(input);
    return run(what);
}

std::string done(std::vector<std::string> arguments, std::string input) {
    const auto words = ::testing::PrintToString(arguments);
    const auto result = zonebridge(std::move(arguments), std::move(input));
    EXPECT_EQ(result.status, 0) << words << "\n" << result.err;
    EXPECT_EQ(result.err, "") << words;
    return result.out;
}

nlohmann::json json_of(std::vector<std::string> arguments, std::string input) {
    const auto words = ::testing::PrintToString(arguments);
    const auto text = done(std::move(arguments), std::move(input));
    auto document = nlohmann::json::parse(text, nullptr, false);
    EXPECT_FALSE(document.is_discarded()) << words << "\n" << text;
    return document;
}

std::string failed(std::vector<std::string> arguments, std::string input) {
    const auto words = ::testing::PrintToString(arguments);
    const auto verb = arguments.empty() ? std::string() : arguments.front();
    const auto result = zonebridge(std::move(arguments), std::move(input));
    EXPECT_EQ(result.status, 1) << words << "\n" << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << words << result.err;
    EXPECT_EQ(result.err.rfind("zonebridge: " + verb + ": ", 0), 0U) << words << result.err;
    return result.err;
}

Background::Background(std::vector<std::string> arguments, std::vector<std::string> environment,
                       const std::string& log, std::optional<Files> files) {
    Pipe out;
    process_ = ::fork();
    if (process_ < 0) throw std::runtime_error("fork");
    if (process_ == 0) {
        ::dup2(out.writer, STDOUT_FILENO);
        if (!log.empty())
            ::dup2(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
        if (files) {
            const rlimit limit{files->soft, files->hard};
            ::setrlimit(RLIMIT_NOFILE, &limit);
        }
        execute(std::move(arguments), std::move(environment));
    }
    output_ = std::exchange(out.reader, -1);
}

Background::~Background() {
    if (process_ > 0) {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
    }
    ::close(output_);
}

std::string Background::output_until(const std::string& word) {
    std::string text;
    for (;;) {
        pollfd one{output_, POLLIN, 0};
        char character = 0;
        if (::poll(&one, 1, 60'000) <= 0 || ::read(output_, &character, 1) != 1) return text;
        text += character;
        if (character != '\n') continue;
        const auto line = text.rfind('\n', text.size() - 2);
        if (text.compare(line == std::string::npos ? 0 : line + 1, word.size(), word) == 0)
            return text;
    }
}

int Background::stop() {
    int status = 0;
    ::kill(process_, SIGTERM);
    ::waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, const std::string& content) {
    std::ofstream file(path, std::ios::binary);
    file << content;
    EXPECT_TRUE(file.flush()) << path;
}

std::string pattern(std::size_t size, std::uint32_t seed) {
    std::string text(size, '\0');
    std::uint32_t state = seed * 2654435761U + 1;
    for (auto& byte : text) {
        state = state * 1664525U + 1013904223U;
        byte = static_cast<char>(state >> 24);
    }
    return text;
}

Disk::Disk(std::vector<std::string> shape) : path_(folder_ / "disk.img") {
    shape.insert(shape.begin(), {"create", path_});
    done(std::move(shape));
}

nlohmann::json Disk::zone(std::size_t number) const {
    return json_of({"report", path_, "--json"})["zones"].at(number);
}

std::string Disk::state(std::size_t number) const {
    return zone(number)["state"];
}

}  // namespace zonebridge::test
