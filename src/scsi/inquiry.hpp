// Standard INQUIRY data and vital product data pages 00, 80, 83, 8F, B0, B1, B2 (SPC-4 sections 6.6 and 7.8, SBC-3 section 6.6). Pure.
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "scsi/logical_unit.hpp"
#include "scsi/sense.hpp"

namespace rootstock::scsi {

struct Shape;
struct UnitKind;

/// PERIPHERAL QUALIFIER and DEVICE TYPE together.
enum class Peripheral : std::uint8_t {
    disk = 0x00,
    cdrom = 0x05,
    not_capable = 0x7f, // qualifier 3, no device type: nothing can be at this LUN
};

[[nodiscard]] ByteVector standard_inquiry(const UnitKind& kind, const Identity& identity);

/// Fails with INVALID FIELD IN CDB for a page that we do not have.
[[nodiscard]] Result<ByteVector, Sense> vital_product_data(std::uint8_t page, const UnitKind& kind, const Identity& identity,
                                                           const Shape& shape, std::uint16_t relative_target_port);

} // namespace rootstock::scsi
