// Fuzzes the decoders of sense data in both formats, with and without ATA registers, and their
// meaning.
#include <array>

#include "tests/fuzz/input.h"
#include "tests/unit/support/satl.h"
#include "transports/scsi/answer.h"
#include "transports/scsi/dialect.h"
#include "zbc/sense.h"
#include "zbc/zac_sense.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace zonebridge;
    using fuzz::require;
    const std::span bytes(data, size);
    const auto sense = zbc::decode_sense(bytes);
    const auto registers = zbc::zac::decode_registers(bytes);
    require(!registers || sense);
    if (sense) {
        // Decoded sense can be encoded again, and decodes to the same.
        std::array<std::uint8_t, 96> again{};
        const auto length = zbc::encode_sense(*sense, zbc::SenseFormat::descriptor, again);
        require(length <= again.size());
        const auto back = zbc::decode_sense(std::span(again).first(length));
        require(back && back->code() == sense->code() && back->information == sense->information);
        if (registers) {
            const auto more =
                test::encode_registers(*registers, *sense, zbc::SenseFormat::descriptor, again);
            require(more <= again.size());
            auto same = zbc::zac::decode_registers(std::span(again).first(more));
            require(same.has_value());
            same->cut = registers->cut;  // only the fixed format has this flag
            if (!registers->extend) same->count = registers->count;
            require(same == registers);
        }
    }

    scsi::Answer answer;
    answer.status = 0x02;
    answer.sense_length = std::min(size, answer.sense.size());
    std::copy_n(data, answer.sense_length, answer.sense.begin());
    require(!scsi::describe(answer).empty());
    static_cast<void>(scsi::retry_of(answer));
    for (const auto operation : {Operation::read, Operation::write, Operation::open}) {
        static_cast<void>(scsi::judge(answer, operation, 0));
        const auto status = scsi::ZacDialect(512).judge(answer, operation, 0);
        // A command whose ATA registers report a failure must not count as a success.
        const auto told = zbc::zac::decode_registers(answer.sense_bytes());
        require(!told || told->ok() || !status.ok());
    }
    return 0;
}
