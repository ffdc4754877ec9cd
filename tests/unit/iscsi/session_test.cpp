#include "iscsi/session.hpp"

#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;
using Place = CommandWindow::Place;

TEST_CASE("Command window: what is expected, early and outside, also where numbers wrap", "[iscsi][session]") {
    for (const std::uint32_t start : {100U, 0xfffffffeU}) {
        CommandWindow window;
        window.start(start);
        CHECK(window.place_of(start) == Place::outside); // closed
        window.open_for(4);
        CHECK(window.max_cmd_sn() == start + 3);
        CHECK(window.place_of(start) == Place::expected);
        CHECK(window.place_of(start + 3) == Place::early);
        CHECK(window.place_of(start + 4) == Place::outside);
        CHECK(window.place_of(start - 1) == Place::outside);
        window.advance();
        CHECK(window.place_of(start) == Place::outside);
        CHECK(window.place_of(start + 1) == Place::expected);
    }
}

TEST_CASE("Command window: MaxCmdSN never goes back", "[iscsi][session]") {
    CommandWindow window;
    window.start(10);
    window.open_for(8);
    window.advance();
    window.open_for(2);
    CHECK(window.max_cmd_sn() == 17);
    window.open_for(0);
    CHECK(window.max_cmd_sn() == 17);
    window.open_for(8);
    CHECK(window.max_cmd_sn() == 18);
}

TEST_CASE("LUN: single-level peripheral and flat addressing are understood", "[iscsi][session]") {
    CHECK(decode_lun({0, 0, 0, 0, 0, 0, 0, 0}) == 0U);
    CHECK(decode_lun({0, 255, 0, 0, 0, 0, 0, 0}) == 255U);
    CHECK(decode_lun({0x41, 2, 0, 0, 0, 0, 0, 0}) == 258U);
    CHECK_FALSE(decode_lun({1, 0, 0, 0, 0, 0, 0, 0}));    // another bus
    CHECK_FALSE(decode_lun({0x80, 0, 0, 0, 0, 0, 0, 0})); // logical unit addressing
    CHECK_FALSE(decode_lun({0, 0, 0, 1, 0, 0, 0, 0}));    // a second level
}

TEST_CASE("Session: the initiator port's name", "[iscsi][session]") {
    LoginRequest request;
    request.initiator_name = "iqn.a:b";
    request.isid = {0x40, 0, 0x27, 0x23, 0xae, 0xc2};
    CHECK(initiator_port_name(request) == "iqn.a:b,i,0x40002723aec2");
    CHECK(is_ipxe(request.isid));
    CHECK_FALSE(is_ipxe({0, 2, 0x3d, 0, 0, 1}));
}
