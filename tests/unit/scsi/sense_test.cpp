#include "scsi/sense.hpp"

#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::scsi;

TEST_CASE("sense: fixed format has 18 bytes, key, code and field pointer in their places", "[scsi][sense]") {
    const Sense sense = invalid_field_in_cdb(1, 5);
    REQUIRE(encode(sense, SenseFormat::fixed) ==
            ByteVector{0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0x00, 0, 0xcd, 0, 1});
}

TEST_CASE("sense: descriptor format carries information and field pointer as descriptors", "[scsi][sense]") {
    Sense sense = invalid_field_in_parameter_list(300);
    sense.information = 0x0102030405060708;
    REQUIRE(encode(sense, SenseFormat::descriptor) ==
            ByteVector{0x72, 0x05, 0x26, 0x00, 0, 0, 0, 20, 0x00, 10, 0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x02, 6, 0, 0, 0x80, 0x01, 0x2c, 0});
}

TEST_CASE("sense: information that does not fit four bytes is not VALID in the fixed format", "[scsi][sense]") {
    Sense sense{SenseKey::miscompare, Asc::miscompare_during_verify, {}, 0xffffffff};
    REQUIRE(encode(sense, SenseFormat::fixed)[0] == 0xf0);
    sense.information = 0x100000000;
    const ByteVector bytes = encode(sense, SenseFormat::fixed);
    REQUIRE(bytes[0] == 0x70);
    REQUIRE(ByteVector(bytes.begin() + 3, bytes.begin() + 7) == ByteVector(4));
}

TEST_CASE("sense: every I/O error has its one meaning", "[scsi][sense]") {
    struct Row {
        block::IoError error;
        bool writing;
        SenseKey key;
        Asc asc;
    };
    using block::IoError;
    const Row row = GENERATE(values<Row>({
        {IoError::out_of_range, false, SenseKey::illegal_request, Asc::lba_out_of_range},
        {IoError::read_only, true, SenseKey::data_protect, Asc::write_protected},
        {IoError::no_space, true, SenseKey::data_protect, Asc::space_allocation_failed_write_protect},
        {IoError::quota, true, SenseKey::data_protect, Asc::space_allocation_failed_write_protect},
        {IoError::medium, false, SenseKey::medium_error, Asc::unrecovered_read_error},
        {IoError::medium, true, SenseKey::medium_error, Asc::write_error},
        {IoError::miscompare, false, SenseKey::miscompare, Asc::miscompare_during_verify},
        {IoError::gone, true, SenseKey::not_ready, Asc::logical_unit_not_ready},
    }));
    const Sense sense = sense_of(row.error, row.writing);
    REQUIRE(sense.key == row.key);
    REQUIRE(sense.asc == row.asc);
}
