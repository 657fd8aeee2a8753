#include "tests/unit/transports/scsi/simulated_ata.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <string_view>

#include "base/bytes.h"
#include "tests/unit/support/satl.h"
#include "zbc/report.h"
#include "zbc/sense.h"
#include "zbc/zac_sense.h"

namespace zonebridge::test {
namespace {

using scsi::Answer;
using scsi::Command;
using scsi::Direction;
using zbc::Sense;
using zbc::SenseKey;
using zbc::zac::AtaCommand;
using zbc::zac::Opcode;
using zbc::zac::Registers;
using zbc::zac::Transfer;
using Page = SimulatedAta::Page;

constexpr std::size_t page_length = zbc::zac::page_length;
constexpr std::uint64_t valid = std::uint64_t{1} << 63;

void put(Page& page, std::size_t offset, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i)
        page[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
}
void put_word(Page& page, std::size_t number, std::uint64_t value) {
    put(page, 2 * number, value, 2);
}
/// Two characters a word, the first in the upper byte.
void put_text(Page& page, std::size_t first, std::size_t words, std::string_view text) {
    for (std::size_t i = 0; i < 2 * words; ++i)
        page[2 * first + (i ^ 1)] = i < text.size() ? static_cast<std::uint8_t>(text[i]) : ' ';
}

/// As much of `reply` as there is room for.
Answer reply_with(const Command& command, const Page& reply) {
    auto from = std::span(reply);
    for (const auto& buffer : command.data) {
        const auto length = std::min(from.size(), buffer.iov_len);
        std::memcpy(buffer.iov_base, from.data(), length);
        from = from.subspan(length);
    }
    Answer answer;
    answer.residual = command.length - static_cast<std::uint32_t>(
                                           std::min<std::size_t>(command.length, reply.size()));
    return answer;
}

/// The answer to a command that contradicts itself, so that the host adapter could not send it.
Answer broken_command() {
    Answer answer;
    answer.host = 0x07;  // DID_ERROR
    return answer;
}

std::uint32_t bytes_in(const Command& command) {
    return std::accumulate(
        command.data.begin(), command.data.end(), 0U,
        [](auto sum, const iovec& one) { return sum + static_cast<std::uint32_t>(one.iov_len); });
}

/// ATA's ERROR field for `code`, and the sense that a SATL makes of that field (SAT-4 "ATA command
/// translation of errors").
std::pair<std::uint8_t, Sense> plain_failure(StatusCode code) {
    if (code == StatusCode::out_of_range)
        return {Registers::id_not_found, zbc::illegal_request(0x21, 0x00)};
    if (code == StatusCode::media_error)
        return {Registers::uncorrectable, {SenseKey::medium_error, 0x11, 0x04, {}, {}}};
    return {Registers::aborted, {SenseKey::aborted_command, 0x00, 0x00, {}, {}}};
}

}  // namespace

SimulatedAta::SimulatedAta(const SimulatedAtaShape& shape) : shape_(shape), disk_(shape.disk) {
    queue_ = *disk_.open_queue(loop_, {});
}

SimulatedAta::~SimulatedAta() = default;

Answer SimulatedAta::run(const Command& command) noexcept {
    const std::lock_guard lock(lock_);
    if (bytes_in(command) != command.length ||
        (command.length == 0) != (command.direction == Direction::none))
        return broken_command();
    const auto ata = decode_ata(ByteView(command.cdb));
    if (!ata) return run_scsi(command);
    if (shape_.forbidden) {
        Answer answer;
        answer.os_error = EPERM;
        return answer;
    }
    if (shape_.no_pass_through) return check_condition(zbc::invalid_opcode());
    return run_ata(command, *ata);
}

Answer SimulatedAta::run_scsi(const Command& command) {
    scsi_commands.push_back(command.cdb[0]);
    switch (command.cdb[0]) {
        case 0x00:  // TEST UNIT READY
            return {};
        case 0x12:
            return run_inquiry(command);
        case 0x9E: {  // READ CAPACITY(16)
            const auto& limits = disk_.limits();
            const auto block = claimed_block_size.value_or(limits.logical_block_size);
            Page page(32, 0);
            ByteWriter out(page);
            out.be64(0, limits.size() / limits.logical_block_size - 1);
            out.be32(8, block);
            auto exponent = 0U;
            while (block << exponent < limits.physical_block_size) ++exponent;
            out.u8(13, exponent);
            return reply_with(command, page);
        }
        default:
            // Not even READ and WRITE: the transport must need ATA commands only.
            return check_condition(zbc::invalid_opcode());
    }
}

Answer SimulatedAta::run_inquiry(const Command& command) {
    constexpr std::string_view names = "ATA     SIMULATED ZAC   1   ";
    Page page(96, 0);
    if ((command.cdb[1] & 1) == 0) {
        page[0] = shape_.peripheral_type;
        page[2] = 6;
        page[4] = 91;
        std::copy(names.begin(), names.end(), page.begin() + 8);
        return reply_with(command, page);
    }
    switch (command.cdb[2]) {
        case 0x00:
            return reply_with(command, {shape_.peripheral_type, 0, 0, 2, 0x00, 0x89});
        case 0x89: {
            page = Page(572, 0);
            page[0] = shape_.peripheral_type;
            page[1] = 0x89;
            ByteWriter(page).be16(2, page.size() - 4);
            page[36] = 0x34;
            if (shape_.keeps_signature && disk_.limits().model == Model::host_managed &&
                !shape_.no_zones) {
                page[41] = 0xCD;
                page[42] = 0xAB;
            }
            page[56] = static_cast<std::uint8_t>(Opcode::identify_device);
            const auto data = identify();
            std::copy(data.begin(), data.end(), page.begin() + 60);
            return reply_with(command, page);
        }
        default:
            return check_condition(zbc::invalid_field_in_cdb(2));
    }
}

Answer SimulatedAta::run_ata(const Command& command, const AtaCommand& ata) {
    commands.push_back(ata.opcode);
    const auto want = ata.transfer == Transfer::none ? Direction::none
                      : ata.transfer == Transfer::in ? Direction::in
                                                     : Direction::out;
    const auto unit = ata.large_sectors ? disk_.limits().logical_block_size : page_length;
    const auto count = ata.count == 0 ? zbc::zac::max_count : ata.count;
    if (want != command.direction) return broken_command();
    if (want != Direction::none && command.length != count * unit) return broken_command();

    switch (ata.opcode) {
        case Opcode::identify_device: {
            auto page = identify();
            if (on_identify) on_identify(page);
            return reply_with(command, page);
        }
        case Opcode::read_log_ext:
        case Opcode::read_log_dma_ext:
            return run_log(command, ata);
        case Opcode::read_dma_ext:
            return run_data(command, ata, Operation::read, false);
        case Opcode::write_dma_ext:
        case Opcode::write_dma_fua_ext:
            return run_data(command, ata, Operation::write,
                            ata.opcode == Opcode::write_dma_fua_ext);
        case Opcode::flush_cache_ext: {
            Request request;
            request.operation = Operation::flush;
            const auto code = ask(request);
            return code == StatusCode::ok ? Answer() : failed(code, Operation::flush, ata);
        }
        case Opcode::zac_management_in:
            return run_report(command, ata);
        case Opcode::zac_management_out:
            return run_action(ata);
    }
    return failed(StatusCode::unsupported, Operation::read, ata);
}

Answer SimulatedAta::run_log(const Command& command, const AtaCommand& ata) {
    const auto log = static_cast<std::uint8_t>(ata.lba);
    const auto number = static_cast<std::uint8_t>(ata.lba >> 8);
    const auto known = number == 0x00 || number == 0x03 || (number == 0x09 && !shape_.no_zones);
    if (log != 0x30 || !known || (ata.opcode == Opcode::read_log_dma_ext && !shape_.log_dma))
        return failed(StatusCode::unsupported, Operation::read, ata);
    auto page = log_page(number);
    if (on_log) on_log(number, page);
    return reply_with(command, page);
}

Answer SimulatedAta::run_data(const Command& command, const AtaCommand& ata, Operation operation,
                              bool fua) {
    const auto sector = disk_.limits().logical_block_size;
    if (ata.protocol != zbc::zac::Protocol::dma || !ata.ext ||
        (sector != page_length) != ata.large_sectors ||
        (fua && disk_.limits().fua == Support::absent))
        return failed(StatusCode::unsupported, operation, ata);
    if (ata.lba > zbc::zac::max_sectors) return failed(StatusCode::out_of_range, operation, ata);
    Request request;
    request.operation = operation;
    request.offset = ata.lba * sector;
    request.length = command.length;
    request.data = command.data;
    request.fua = fua;
    const auto code = ask(request);
    return code == StatusCode::ok ? Answer() : failed(code, operation, ata);
}

Answer SimulatedAta::run_action(const AtaCommand& ata) {
    constexpr std::array operations{Operation::close, Operation::finish, Operation::open,
                                    Operation::reset};
    const auto action = ata.features & 0xFF;
    if (shape_.no_zones || action == 0 || action > 4 || ata.count > 1 ||
        ata.protocol != zbc::zac::Protocol::non_data)
        return failed(StatusCode::unsupported, Operation::open, ata);
    Request request;
    request.operation = operations[static_cast<std::size_t>(action - 1)];
    const auto& layout = disk_.limits().layout;
    if ((ata.features & 0x0100) != 0) {
        request.scope = Scope::all;
    } else {
        request.offset = ata.lba * disk_.limits().logical_block_size;
        if (request.offset >= layout.size())
            return failed(StatusCode::out_of_range, request.operation, ata);
        request.length = layout.length_of(layout.zone_of(request.offset));
    }
    const auto code = ask(request);
    // ZAC, like ZBC, reports success for some actions that the state machine refuses.
    if (!zbc::sense_for(code, request.operation)) return {};
    return failed(code, request.operation, ata);
}

Answer SimulatedAta::run_report(const Command& command, const AtaCommand& ata) {
    // REPORT ZONES EXT, of all zones.
    if (shape_.no_zones || (ata.features & 0x3FFF) != 0)
        return failed(StatusCode::unsupported, Operation::report, ata);
    if (ata.lba * disk_.limits().logical_block_size >= disk_.limits().size())
        return failed(StatusCode::out_of_range, Operation::report, ata);
    auto page = report(ata);
    if (on_report) on_report(page);
    return reply_with(command, page);
}

StatusCode SimulatedAta::ask(Request request) {
    if (queue_->submit({&request, 1}) != 1) return StatusCode::io_error;
    Completion completion;
    if (queue_->reap({&completion, 1}) != 1) return StatusCode::io_error;
    return completion.status.code;
}

Answer SimulatedAta::failed(StatusCode code, Operation operation, const AtaCommand& ata) const {
    auto [error, sense] = plain_failure(code);
    Registers registers{0x50 | Registers::failed, error, 0x40, ata.count, ata.lba, ata.ext, false};
    if (shape_.reports_sense && error == Registers::aborted) {
        if (const auto exact = zbc::sense_for(code, operation)) sense = *exact;
        registers.status |= Registers::sense_available;
    }
    if (shape_.sense == zbc::SenseFormat::fixed && !shape_.registers_in_fixed)
        return check_condition(sense);
    Answer answer;
    answer.status = 0x02;
    answer.sense_length = encode_registers(registers, sense, shape_.sense, answer.sense);
    return answer;
}

Answer SimulatedAta::check_condition(const Sense& sense) const {
    Answer answer;
    answer.status = 0x02;
    answer.sense_length = zbc::encode_sense(sense, shape_.sense, answer.sense);
    return answer;
}

Page SimulatedAta::identify() const {
    const auto& limits = disk_.limits();
    Page page(page_length, 0);
    put_word(page, 0, 0x0040);
    put_text(page, 10, 10, "    SIM-0001");
    put_text(page, 23, 4, "SIM1.0");
    put_text(page, 27, 20, "SIMULATED ZAC DISK");
    put_word(page, 49, 0x0300);
    if (limits.model == Model::host_aware) put_word(page, 69, 1);
    if (shape_.drive_managed) put_word(page, 69, 2);
    put_word(page, 83, 0x4400);
    put_word(page, 84, 0x4120 | (limits.fua == Support::absent ? 0 : 0x40));
    put(page, 200, limits.size() / limits.logical_block_size, 8);
    auto sectors = 0x4000;
    auto ratio = limits.physical_block_size / limits.logical_block_size;
    if (ratio > 1) sectors |= 0x2000;
    for (; ratio > 1; ratio /= 2) ++sectors;
    if (limits.logical_block_size != page_length) {
        sectors |= 0x1000;
        put(page, 234, limits.logical_block_size / 2, 4);
    }
    put_word(page, 106, static_cast<std::uint64_t>(sectors));
    put_word(page, 108, 0x5000);
    put_word(page, 109, 0xC500);
    put_word(page, 110, 0x0000);
    put_word(page, 111, 0x0042);
    put_word(page, 119, 0x4000 | (shape_.log_dma ? 0x08 : 0));
    put_word(page, 120, 0x4000 | (shape_.reports_sense ? 0x40 : 0));
    page[510] = 0xA5;
    page[511] =
        static_cast<std::uint8_t>(256 - std::accumulate(page.begin(), page.end(), 0U) % 256);
    return page;
}

Page SimulatedAta::log_page(std::uint8_t number) const {
    const auto& limits = disk_.limits();
    Page page(page_length, 0);
    put(page, 0, valid | std::uint64_t{number} << 16 | 1, 8);
    if (number == 0x00) {
        const Page numbers = shape_.no_zones ? Page{0x00, 0x03} : Page{0x00, 0x03, 0x09};
        page[8] = static_cast<std::uint8_t>(numbers.size());
        std::copy(numbers.begin(), numbers.end(), page.begin() + 9);
    }
    if (number == 0x03)
        put(page, 104,
            valid | (shape_.drive_managed                ? 2
                     : limits.model == Model::host_aware ? 1
                                                         : 0),
            8);
    if (number == 0x09) {
        put(page, 8, valid | (limits.reads_past_pointer ? 1 : 0), 8);
        put(page, 24,
            valid | (limits.model == Model::host_aware ? limits.max_open.value_or(~0U) : ~0U), 8);
        put(page, 40,
            valid | (limits.model == Model::host_managed ? limits.max_open.value_or(~0U) : ~0U), 8);
    }
    return page;
}

Page SimulatedAta::report(const AtaCommand& ata) {
    const auto& limits = disk_.limits();
    const auto block = limits.logical_block_size;
    std::vector<Zone> zones(limits.layout.zone_count());
    zones.resize(disk_.machine().report(0, zones));
    std::vector<zbc::ReportedZone> list;
    for (auto& zone : zones) {
        const auto broken = disk_.broken.find(limits.layout.zone_of(zone.start));
        if (broken != disk_.broken.end()) {
            zone.state = broken->second;
            zone.write_pointer.reset();
        }
        const auto add = [&](const zbc::ReportedZone& one) {
            if (one.start + one.length > ata.lba * block) list.push_back(one);
        };
        add(zbc::reported_zone(zone));
        if (const auto gap = zbc::gap_after(zone)) add(*gap);
    }
    const auto pages = ata.count == 0 ? zbc::zac::max_count : ata.count;
    const auto room = pages * page_length / zbc::zone_descriptor_length - 1;
    const auto fits = std::min(room, list.size());
    const auto partial = (ata.features & 0x8000) != 0;

    // The same structures as ZBC's, in little-endian.
    Page page;
    const auto append = [&](auto bytes, std::initializer_list<std::pair<int, int>> fields) {
        for (const auto& [offset, width] : fields)
            std::reverse(bytes.begin() + offset, bytes.begin() + offset + width);
        page.insert(page.end(), bytes.begin(), bytes.end());
    };
    append(
        zbc::encode_report_header({partial ? fits : list.size(), 0, limits.size() / block - 1, 0}),
        {{0, 4}, {8, 8}, {16, 8}});
    for (std::size_t i = 0; i < fits; ++i)
        append(zbc::encode_zone_descriptor(list[i], block), {{8, 8}, {16, 8}, {24, 8}});
    page.resize(pages * page_length);
    return page;
}

}  // namespace zonebridge::test
