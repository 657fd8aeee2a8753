// An open NVMe generic node, and all libnvme calls on it, which block. The only user of libnvme,
// whose names change from version to version.
//
// Threads: any, concurrently: the kernel keeps the calls apart.
// Ownership: owns the node's file descriptor.
#pragma once

#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "transports/nvme/port.h"
#include "zone/status.h"

namespace zonebridge::nvme {

/// The location of a command's data.
struct Data {
    void* address = nullptr;   ///< The bytes; if `vectored`, an array of iovec.
    std::uint32_t length = 0;  ///< Bytes; if `vectored`, entries of the array.
    bool vectored = false;
};

class Control final : public Port {
    struct Private {};

  public:
    /// `path`: /dev/ngXnY. The error has the path and the remedy.
    [[nodiscard]] static tl::expected<std::unique_ptr<Control>, Error> open(const std::string& path,
                                                                            bool writable);
    Control(Private, int fd, std::uint32_t nsid) noexcept : fd_(fd), nsid_(nsid) {}  // by open()
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;
    ~Control() override;

    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] std::uint32_t nsid() const noexcept override { return nsid_; }

    [[nodiscard]] Answer identify(std::uint8_t cns, std::uint8_t csi,
                                  std::span<std::uint8_t> data) override;
    [[nodiscard]] Answer send(const zns::Command& command, std::span<std::uint8_t> data) override;
    /// `timeout`: milliseconds; 0: the kernel's default.
    [[nodiscard]] Answer send(const zns::Command& command, const Data& data,
                              std::uint32_t timeout) const noexcept;

  private:
    int fd_;
    std::uint32_t nsid_;
};

}  // namespace zonebridge::nvme
