// A /sys, /proc and /dev in a folder, in the shapes of real kernels, for disks that this machine
// does not have. tests/guest/block.sh checks real ones in a guest.
//
// Threads: one thread.
// Ownership: owns its folder.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "tests/unit/support/temporary.h"
#include "transports/host/places.h"

namespace zonebridge::test {

class MadeUp {
  public:
    MadeUp() {
        for (const auto* name : {"block", "class/block", "class/bsg", "class/scsi_generic",
                                 "class/nvme-generic", "dev/block", "dev/char", "bus/scsi"})
            std::filesystem::create_directories(sys() / name);
        std::filesystem::create_directories(proc() / "self");
        write(proc() / "self/mountinfo", "");
        write(proc() / "swaps", "Filename\tType\tSize\tUsed\tPriority\n");
    }

    [[nodiscard]] std::filesystem::path sys() const { return folder_.path() / "sys"; }
    [[nodiscard]] std::filesystem::path proc() const { return folder_.path() / "proc"; }

    [[nodiscard]] host::Places places() const {
        host::Places places;
        places.sysfs = sys();
        places.proc = proc();
        // A test can't make device nodes, so the numbers come from a table of names.
        places.block_number = [this](const std::filesystem::path& path) -> std::optional<dev_t> {
            std::error_code failed;
            auto target = std::filesystem::read_symlink(path, failed);
            const auto found = numbers_.find(failed ? path.string() : target.string());
            if (found == numbers_.end()) return std::nullopt;
            return found->second;
        };
        return places;
    }

    /// A device at /sys/devices/`where`, in `subsystem` ("block", "scsi_generic", ...).
    void add_device(const std::string& where, const std::string& subsystem, unsigned major,
                    unsigned minor, const std::string& node = {}) {
        const auto path = sys() / "devices" / where;
        const auto name = path.filename().string();
        const auto number = fmt::format("{}:{}", major, minor);
        write(path / "dev", number + "\n");
        write(path / "uevent", fmt::format("MAJOR={}\nMINOR={}\nDEVNAME={}\n", major, minor,
                                           node.empty() ? name : node));
        link(path, sys() / "dev" / (subsystem == "block" ? "block" : "char") / number);
        link(path, sys() / "class" / subsystem / name);
        std::filesystem::create_directory_symlink(sys() / "class" / subsystem, path / "subsystem");
        if (subsystem == "block") {
            numbers_["/dev/" + (node.empty() ? name : node)] = makedev(major, minor);
            if (!std::filesystem::exists(path / "partition") &&
                !std::filesystem::exists(path.parent_path() / "dev"))
                link(path, sys() / "block" / name);
        }
    }

    /// A SCSI disk with its three nodes, as scsi_debug makes one.
    void add_scsi_disk(const std::string& address, const std::string& name, unsigned index,
                       const std::string& type = "20", bool with_block = true) {
        const auto device = "pseudo_0/adapter0/host0/target0:0:0/" + address;
        write(sys() / "devices" / device / "type", type + "\n");
        link(sys() / "bus/scsi", sys() / "devices" / device / "subsystem");
        const auto add = [&](const std::string& subsystem, const std::string& child, unsigned major,
                             const std::string& node) {
            const auto where = device + "/" + subsystem + "/" + child;
            add_device(where, subsystem, major, index, node);
            link(sys() / "devices" / device, sys() / "devices" / where / "device");
        };
        if (with_block) add("block", name, 8, {});
        add("scsi_generic", fmt::format("sg{}", index), 21, {});
        add("bsg", address, 246, "bsg/" + address);
    }

    static void write(const std::filesystem::path& file, const std::string& text) {
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
    static void link(const std::filesystem::path& to, const std::filesystem::path& at) {
        std::filesystem::create_directories(at.parent_path());
        std::filesystem::create_directory_symlink(to, at);
    }

    void mount(const std::string& number, const std::string& source, const std::string& point) {
        std::ofstream(proc() / "self/mountinfo", std::ios::app)
            << "36 35 " << number << " / " << point << " rw,noatime shared:1 - ext4 " << source
            << " rw\n";
    }

    /// A process that has the block device `node` open.
    void open_in(int process, const std::string& program, const std::string& node,
                 const std::string& flags) {
        const auto folder = proc() / std::to_string(process);
        write(folder / "comm", program + "\n");
        write(folder / "fdinfo/7", "pos:\t0\nflags:\t" + flags + "\n");
        link(node, folder / "fd/7");
    }

  private:
    TemporaryFolder folder_;
    std::map<std::string, dev_t> numbers_;
};

}  // namespace zonebridge::test
