#include "iscsi/session_registry.hpp"

#include "support/catch.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::iscsi;

namespace {

struct Fixture {
    SessionRegistry registry;
    std::vector<std::string> log;

    std::uint64_t admit(const std::string& label, std::uint8_t isid, const std::string& target = "iqn.t:1") {
        LoginRequest request;
        request.initiator_name = "iqn.i:1";
        request.target_name = target;
        request.isid[5] = isid;
        return registry
            .admit(request, std::make_shared<SessionCounters>(), {},
                   [this, label](EndReason reason) {
                       log.push_back(label + (reason == EndReason::replaced_by_newer ? " replaced" : " ended"));
                   },
                   [this, label] { log.push_back(label + " ready"); })
            .id;
    }
};

} // namespace

TEST_CASE("Registry: a newer session of the same port waits for the end of the older", "[iscsi][registry]") {
    Fixture f;
    const auto a = f.admit("a", 1);
    const auto b = f.admit("b", 1);
    CHECK(f.log == std::vector<std::string>{"a ready", "a replaced"});
    f.registry.remove(a);
    CHECK(f.log.back() == "b ready");
    f.registry.remove(b);
    CHECK(f.registry.size() == 0);
}

TEST_CASE("Registry: another ISID or another target is another session", "[iscsi][registry]") {
    Fixture f;
    f.admit("a", 1);
    f.admit("b", 2);
    f.admit("c", 1, "iqn.t:2");
    CHECK(f.log == std::vector<std::string>{"a ready", "b ready", "c ready"});
}

TEST_CASE("Registry: a chain of three: the last is ready when all before are gone", "[iscsi][registry]") {
    Fixture f;
    const auto a = f.admit("a", 1);
    const auto b = f.admit("b", 1);
    f.admit("c", 1);
    CHECK(f.log.back() == "b replaced");
    f.registry.remove(b); // gave up while it waited for a
    CHECK(f.log.back() == "b replaced");
    f.registry.remove(a);
    CHECK(f.log.back() == "c ready");
}

TEST_CASE("Registry: TSIHs are never 0, unique, and known", "[iscsi][registry]") {
    Fixture f;
    std::vector<std::uint16_t> seen;
    for (int i = 0; i < 300; ++i) {
        f.admit("s", static_cast<std::uint8_t>(i), "iqn.t:" + std::to_string(i / 256));
    }
    for (const SessionInfo& info : f.registry.list()) {
        CHECK(info.tsih != 0);
        CHECK(std::find(seen.begin(), seen.end(), info.tsih) == seen.end());
        seen.push_back(info.tsih);
    }
    LoginRequest known;
    known.initiator_name = "iqn.i:1";
    known.target_name = "iqn.t:0";
    CHECK(f.registry.answer_for_tsih(seen[0], known) == LoginStatus::too_many_connections);
    known.initiator_name = "iqn.i:2";
    CHECK(f.registry.answer_for_tsih(seen[0], known) == LoginStatus::session_does_not_exist);
}

TEST_CASE("Registry: sessions are ended by number and by target", "[iscsi][registry]") {
    Fixture f;
    const auto a = f.admit("a", 1);
    f.admit("b", 2);
    f.admit("c", 1, "iqn.t:2");
    f.log.clear();
    CHECK(f.registry.end(a, EndReason::fenced));
    CHECK_FALSE(f.registry.end(999, EndReason::fenced));
    f.registry.end_all_of("iqn.t:1", EndReason::shutdown);
    CHECK(f.log == std::vector<std::string>{"a ended", "a ended", "b ended"});
}
