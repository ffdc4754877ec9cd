#include "app/plan.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::app;
using Catch::Matchers::Contains;

namespace {

const std::string mac_a = "52:54:00:aa:00:07";
const std::string mac_b = "52:54:00:bb:00:07";

fleet::NewMachine wanted(const std::string& mac = mac_a) {
    fleet::NewMachine machine;
    machine.name = "lab1-07";
    machine.macs = {*Mac::parse(mac)};
    machine.image = "win11";
    return machine;
}

fleet::Machine present(const std::string& mac = mac_a) {
    fleet::Machine machine;
    machine.id = 1;
    machine.name = "lab1-07";
    machine.macs = {*Mac::parse(mac)};
    machine.image = "win11";
    return machine;
}

images::ImageInfo image(std::vector<std::string> machines = {}) {
    images::ImageInfo info;
    info.version.image = "win11";
    info.machines = std::move(machines);
    return info;
}

images::VolumeRow volume_row(std::vector<std::string> initiators) {
    images::VolumeRow row;
    row.name = "data";
    row.size_bytes = 1024;
    row.initiators = std::move(initiators);
    return row;
}

struct Situation {
    Config file;
    std::vector<fleet::AppliedValue> applied;
    std::vector<fleet::Machine> machines;
    std::vector<images::VolumeRow> volumes;
    std::vector<images::ImageInfo> images = {image()};
    std::map<std::string, Result<images::IsoFacts>> isos = {};

    [[nodiscard]] Plan plan() const {
        const fleet::FleetView view(machines);
        return make_plan(file, applied, {view, volumes, images, isos});
    }
    /// The file as it is now was applied.
    void was_applied() { applied = plan().applied; }
};

Situation with_machine(const std::string& in_file, const std::string& last_applied, const std::string& is) {
    Situation situation;
    if (!last_applied.empty()) {
        situation.file.machines = {{wanted(last_applied), 1}};
        situation.was_applied();
        situation.file.machines.clear();
    }
    if (!in_file.empty()) {
        situation.file.machines = {{wanted(in_file), 1}};
    }
    if (!is.empty()) {
        situation.machines = {present(is)};
    }
    return situation;
}

} // namespace

TEST_CASE("A quota and a group that the file changes are changed, and nothing else is", "[app][plan]") {
    Situation situation = with_machine(mac_a, mac_a, mac_a);
    situation.file.machines[0].machine.quota_bytes = std::uint64_t{20} << 30U;
    situation.file.machines[0].machine.group = "lab1";
    const Plan plan = situation.plan();
    REQUIRE(plan.changes.size() == 2);
    CHECK(plan.changes[0].text == "machine lab1-07: group none -> lab1");
    CHECK(plan.changes[1].text == "machine lab1-07: quota default -> 20 GiB");
    REQUIRE(plan.steps.size() == 1);
    const auto& change = std::get<ChangeMachine>(plan.steps[0].action).change;
    CHECK(change.quota_bytes == std::optional(std::uint64_t{20} << 30U));
    CHECK(change.group == "lab1");
    CHECK_FALSE(change.image);
    CHECK_FALSE(change.address);
}

TEST_CASE("Three ways: the file's MAC, the one applied last, and the one there is", "[app][plan]") {
    struct Row {
        std::string file, applied, is;
        std::string change; // the text of the one change, or empty
        std::string note;   // within the one note, or empty
    };
    const Row rows[] = {
        {mac_a, "", "", "machine lab1-07: new, PC " + mac_a + ", image win11", ""},
        {mac_a, mac_a, mac_a, "", ""},
        {mac_a, "", mac_a, "", ""},                                                       // assigned by hand, then written down
        {mac_a, "", mac_b, "machine lab1-07: mac " + mac_b + " -> " + mac_a, ""},         // the file is new
        {mac_b, mac_a, mac_a, "machine lab1-07: mac " + mac_a + " -> " + mac_b, ""},      // the line changed
        {mac_a, mac_a, mac_b, "", "mac was changed since to " + mac_b + " and stays"},    // replaced in the web page
        {mac_b, mac_a, mac_b, "", ""},                                                    // and the file follows
        {mac_a, mac_a, "", "", "was removed since"},                                      // removed in the web page
        {mac_b, mac_a, "", "machine lab1-07: new, PC " + mac_b + ", image win11", ""},    // and wanted again
        {"", mac_a, mac_a, "machine lab1-07: removed, it left the file and has no disk", ""},
        {"", mac_a, mac_b, "", "left the file, but was changed since"},
        {"", mac_a, "", "", ""},
        {"", "", mac_a, "", ""},                                                          // never was the file's business
    };
    for (const Row& row : rows) {
        CAPTURE(row.file, row.applied, row.is);
        const Plan plan = with_machine(row.file, row.applied, row.is).plan();
        REQUIRE(plan.changes.size() == (row.change.empty() ? 0 : 1));
        CHECK(plan.steps.size() == plan.changes.size());
        REQUIRE(plan.notes.size() == (row.note.empty() ? 0 : 1));
        if (!row.change.empty()) {
            CHECK(plan.changes[0].text == row.change);
            CHECK(plan.changes[0].object == "machine/lab1-07");
        }
        if (!row.note.empty()) {
            CHECK_THAT(plan.notes[0], Contains(row.note));
        }
    }
}

TEST_CASE("Each field is compared by itself; one step changes them together", "[app][plan]") {
    Situation situation = with_machine(mac_a, mac_a, mac_b); // replaced since
    situation.file.machines[0].machine.mode = fleet::Mode::reset;
    situation.file.machines[0].machine.address = Ipv4::parse("10.0.0.7");
    const Plan plan = situation.plan();
    REQUIRE(plan.changes.size() == 2);
    CHECK(plan.changes[0].text == "machine lab1-07: address none -> 10.0.0.7");
    CHECK(plan.changes[1].text == "machine lab1-07: mode persistent -> reset");
    REQUIRE(plan.steps.size() == 1);
    const auto& change = std::get<ChangeMachine>(plan.steps[0].action).change;
    CHECK_FALSE(change.macs);
    CHECK(change.mode == fleet::Mode::reset);
    CHECK(change.address == std::optional(Ipv4::parse("10.0.0.7")));
}

TEST_CASE("Nothing that holds data goes because a line left the file", "[app][plan]") {
    Situation situation = with_machine("", mac_a, mac_a);
    situation.images = {image({"lab1-07"})};
    Plan plan = situation.plan();
    CHECK(plan.steps.empty());
    REQUIRE(plan.notes.size() == 1);
    CHECK_THAT(plan.notes[0], Contains("has a disk") && Contains("rootstock machine remove lab1-07"));

    situation.applied = plan.applied; // it is said again until it is settled
    plan = situation.plan();
    CHECK(plan.notes.size() == 1);
}

TEST_CASE("Another image under a machine with a disk is said to need a reset", "[app][plan]") {
    Situation situation = with_machine(mac_a, mac_a, mac_a);
    situation.images = {image({"lab1-07"}), image()};
    situation.images[1].version.image = "win12";
    situation.file.machines[0].machine.image = "win12";
    const Plan plan = situation.plan();
    CHECK(plan.changes.size() == 1);
    REQUIRE(plan.notes.size() == 1);
    CHECK_THAT(plan.notes[0], Contains("rootstock machine reset lab1-07"));
}

TEST_CASE("An image that is not there yet is named once", "[app][plan]") {
    Situation situation = with_machine(mac_a, "", "");
    situation.images.clear();
    situation.file.images = {{"win11"}};
    const Plan plan = situation.plan();
    REQUIRE(plan.notes.size() == 1);
    CHECK_THAT(plan.notes[0], Contains("rootstock image import FILE --name win11"));
}

TEST_CASE("Volumes: made, opened to others, grown, never shrunk or deleted", "[app][plan]") {
    Situation situation;
    situation.file.volumes = {{"data", 1024, {"*"}, 1}};
    CHECK(situation.plan().changes.at(0).text == "volume data: new, 1 KiB, for *");

    situation.was_applied();
    situation.volumes = {volume_row({"*"})};
    CHECK(situation.plan().changes.empty());

    situation.file.volumes[0].initiators = {"lab1-07"};
    CHECK(situation.plan().changes.at(0).text == "volume data: initiators * -> lab1-07");

    situation.volumes = {volume_row({"lab1-08"})};
    situation.was_applied();
    CHECK(situation.plan().changes.empty());
    CHECK_THAT(situation.plan().notes.at(0), Contains("changed since to lab1-08"));

    situation.file.volumes[0].size_bytes = 512;
    situation.volumes = {volume_row({"lab1-07"})};
    CHECK(situation.plan().steps.empty());
    CHECK_THAT(situation.plan().notes.at(0), Contains("never shrinks"));

    situation.file.volumes[0].size_bytes = 4096;
    CHECK(situation.plan().changes.at(0).text == "volume data: size 1 KiB -> 4 KiB");
    CHECK(std::get<GrowVolume>(situation.plan().steps.at(0).action).size_bytes == 4096);
    situation.was_applied();
    situation.volumes[0].size_bytes = 8192; // grown by hand
    CHECK(situation.plan().steps.empty());
    CHECK_THAT(situation.plan().notes.at(0), Contains("size was changed since to 8 KiB and stays"));

    situation.file.volumes[0].options.block_size = 4096;
    situation.file.volumes[0].options.read_only = true;
    CHECK(situation.plan().changes.at(0).text == "volume data: read_only no -> yes");
    CHECK_THAT(situation.plan().notes.at(1), Contains("block_size is 512, the file says 4096: that never changes"));

    situation.file.volumes.clear();
    CHECK(situation.plan().steps.empty());
    CHECK_THAT(situation.plan().notes.at(0), Contains("rootstock volume remove data"));
}

TEST_CASE("Volumes: CHAP comes, changes and goes; a plan shows users and never secrets", "[app][plan][chap]") {
    Situation situation;
    situation.file.volumes = {{"data", 1024, {"*"}, 1}};
    situation.was_applied();
    situation.volumes = {volume_row({"*"})};

    situation.file.volumes[0].options.chap = {"backup", "at least 12 bytes"};
    Plan plan = situation.plan();
    REQUIRE(plan.changes.size() == 1);
    CHECK(plan.changes[0].text == "volume data: chap none -> user backup");
    CHECK(plan.changes[0].to == "user backup");
    CHECK(std::get<ChangeVolume>(plan.steps.at(0).action).change.chap == images::ChapIdentity{"backup", "at least 12 bytes"});

    situation.was_applied();
    situation.volumes[0].options.chap = {"backup", "at least 12 bytes"};
    CHECK(situation.plan().changes.empty());

    situation.file.volumes[0].options.chap.secret = "quite another one";
    CHECK(situation.plan().changes.at(0).text == "volume data: chap user backup -> user backup with another secret");

    situation.was_applied();
    CHECK_THAT(situation.plan().notes.at(0), Contains("chap was changed since to user backup")); // by hand

    situation.file.volumes[0].options.chap = {};
    plan = situation.plan();
    CHECK(plan.changes.at(0).text == "volume data: chap user backup -> none");
    CHECK(std::get<ChangeVolume>(plan.steps.at(0).action).change.chap == images::ChapIdentity{});
    for (const fleet::AppliedValue& value : plan.applied) {
        CHECK_THAT(value.value, !Contains("12 bytes"));
    }
}

TEST_CASE("CD-ROMs: made, given another image, and told when the image is not what it was", "[app][plan][iso]") {
    const std::string path = "/srv/debian.iso";
    Situation situation;
    situation.file.volumes = {{"debian", 0, {"*"}, 1, images::cdrom_options(path)}};
    situation.isos.emplace(path, make_error(std::errc::no_such_file_or_directory, "cannot open " + path));
    CHECK(situation.plan().changes.at(0).text == "volume debian: new, CD-ROM with /srv/debian.iso, for *");
    CHECK(situation.plan().notes == std::vector<std::string>{"volume debian: cannot open /srv/debian.iso"});

    situation.was_applied();
    const images::IsoFacts facts{40960, 5};
    situation.isos.insert_or_assign(path, facts);
    situation.volumes = {{"debian", facts.size_bytes, "cdrom/debian", {"*"}, {}, images::cdrom_options(path), facts.modified_ns}};
    CHECK(situation.plan().changes.empty());
    CHECK(situation.plan().notes.empty());
    situation.volumes[0].iso_modified_ns = 4;
    CHECK(situation.plan().steps.empty());
    CHECK_THAT(situation.plan().notes.at(0), Contains("was changed since") && Contains("volume set debian --iso /srv/debian.iso"));

    situation.file.volumes[0].options.iso = "/srv/other.iso";
    CHECK(situation.plan().changes.at(0).text == "volume debian: iso /srv/debian.iso -> /srv/other.iso");
    CHECK(std::get<ChangeVolume>(situation.plan().steps.at(0).action).change.iso == "/srv/other.iso");

    situation.file.volumes = {{"debian", 1024, {"*"}, 1}};
    CHECK(situation.plan().steps.empty());
    CHECK_THAT(situation.plan().notes.at(0), Contains("is a CD-ROM, the file says a disk"));
}

TEST_CASE("A volume that an older program applied is known again", "[app][plan]") {
    Situation situation;
    situation.file.volumes = {{"data", 1024, {"*"}, 1}};
    situation.applied = {{"volume/data/size", "1024"}, {"volume/data/initiators", "*"}}; // it knew nothing of chap
    CHECK_THAT(situation.plan().notes.at(0), Contains("was removed since"));
    situation.volumes = {volume_row({"*"})};
    CHECK(situation.plan().steps.empty());
}

TEST_CASE("What a running server cannot take over is named", "[app][plan]") {
    Config running;
    Config file;
    CHECK(restart_notes(running, file).empty());
    file.http_port = 8081;
    file.dhcp.router = Ipv4::parse("10.0.0.1");
    file.iscsi_limits.connections = 10;
    file.isns_server = IpEndpoint::parse("10.0.0.5", 3205);
    CHECK(restart_notes(running, file) == std::vector<std::string>{"[dhcp] router none -> 10.0.0.1 takes a restart", "[http] port 8080 -> 8081 takes a restart",
                                                                   "[isns] server none -> 10.0.0.5:3205 takes a restart",
                                                                   "[limits] iscsi_connections 8192 -> 10 takes a restart"});
    file.discovery_chap = {"seeker", "twelve bytes"};
    CHECK_THAT(restart_notes(running, file).at(2), Contains("[iscsi] discovery_chap") && !Contains("twelve"));
}
