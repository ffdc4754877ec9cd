#include "app/config.hpp"
#include "app/config_checks.hpp"
#include "boot/volume_access.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <fstream>

using namespace rootstock;
using namespace rootstock::app;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

/// What is wrong with `text`, which needs no [server].
std::vector<std::string> problems(const std::string& text) {
    const auto config = parse_config(text, "r.toml");
    return config ? std::vector<std::string>{} : config.error();
}

/// `text` behind a first line that switches DHCP off, so that no interface is asked for.
std::string without_dhcp(const std::string& text) { return "dhcp = {mode = \"off\"}\n" + text; }

constexpr const char* seat = "[[machine]]\nname = \"a\"\nmac = \"52:54:00:aa:00:07\"\nimage = \"i\"\n";

} // namespace

TEST_CASE("The example file is read, every value of it", "[app][config]") {
    const auto config = load_config(ROOTSTOCK_SOURCE_DIR "/data/rootstock.example.toml");
    REQUIRE(config);
    CHECK(config->server.interface == "eth1");
    CHECK(config->server.data == "/var/lib/rootstock");
    CHECK(config->server.name == "rootstock");
    CHECK(config->dhcp.mode == DhcpMode::server);
    CHECK(config->dhcp.range == std::pair(*Ipv4::parse("10.20.0.100"), *Ipv4::parse("10.20.3.250")));
    CHECK(config->dhcp.router == Ipv4::parse("10.20.0.1"));
    CHECK(config->dhcp.dns == std::vector{*Ipv4::parse("10.20.0.1")});
    CHECK(config->dhcp.domain == "lab.example.org");
    CHECK(config->dhcp.lease == 12h);
    CHECK(config->http_port == 8080);
    CHECK(config->iscsi_port == 3260);
    CHECK(config->iqn_prefix == "iqn.2026-01.internal.rootstock");
    CHECK_FALSE(config->always_chain);
    REQUIRE(config->machines.size() == 1);
    const fleet::NewMachine& machine = config->machines[0].machine;
    CHECK(machine.name == "lab1-07");
    CHECK(machine.macs == std::vector{*Mac::parse("52:54:00:aa:00:07")});
    CHECK(machine.image == "win11-lab");
    CHECK(machine.mode == fleet::Mode::persistent);
    CHECK(machine.address == Ipv4::parse("10.20.0.7"));
    REQUIRE(config->volumes.size() == 1);
    CHECK(config->volumes[0].size_bytes == std::uint64_t{10} << 30U);
    CHECK(config->volumes[0].initiators == std::vector<std::string>{"lab1-07"});
    CHECK(config->unknown == UnknownAction::wait);
}

TEST_CASE("Everything but the interface has a default", "[app][config]") {
    const auto config = parse_config("[server]\ninterface = \"eth0\"\n", "r.toml");
    REQUIRE(config);
    CHECK(config->server.data == "/var/lib/rootstock");
    CHECK(config->dhcp.lease == 12h);
    CHECK(config->http_port == 8080);
    CHECK(config->unknown == UnknownAction::wait);
}

TEST_CASE("Values have more than one form", "[app][config]") {
    const auto config = parse_config(R"(
[server]
interface = "eth0"
[dhcp]
dns = "10.0.0.1"
lease = 90
[boot]
chain = "always"
[[machine]]
name = "a"
mac = ["52-54-00-AA-00-07", "525400aa0008"]
image = "i"
mode = "reset"
[[volume]]
name = "v"
size = "1.5 GiB"
initiators = "*"
[unknown]
action = "image:i"
)",
                                     "r.toml");
    REQUIRE(config);
    CHECK(config->dhcp.dns.size() == 1);
    CHECK(config->dhcp.lease == 90s);
    CHECK(config->always_chain);
    CHECK(config->machines[0].machine.macs.size() == 2);
    CHECK(config->machines[0].machine.mode == fleet::Mode::reset);
    CHECK(config->volumes[0].size_bytes == (std::uint64_t{3} << 29U));
    CHECK(config->volumes[0].initiators == std::vector<std::string>{"*"});
    CHECK(config->unknown == UnknownAction::image);
    CHECK(config->unknown_image == "i");
}

TEST_CASE("A volume with iso is a CD-ROM", "[app][config]") {
    const auto config = parse_config(without_dhcp("[[volume]]\nname = \"debian\"\niso = \"/srv/iso/debian.iso\"\ninitiators = \"*\"\n"), "r.toml");
    REQUIRE(config);
    CHECK(config->volumes.at(0).options == images::cdrom_options("/srv/iso/debian.iso"));
    CHECK(config->volumes.at(0).size_bytes == 0);
}

TEST_CASE("Each mistake is told with its place, what was expected and an example", "[app][config]") {
    struct Row {
        const char* text; // behind one line
        const char* place;
        std::vector<const char*> says;
    };
    const Row rows[] = {
        {"[server]\nintreface = \"eth1\"", "r.toml:3:1: ", {"\"intreface\"", "did you mean interface?"}},
        {"[sever]\n", "r.toml:2:", {"\"sever\"", "did you mean server?"}},
        {"[server]\nzzzzzzzzz = 1", "r.toml:3:1: ", {"its keys are: interface, data, name, loaders"}},
        {"[server]\ninterface = eth1", "r.toml:3:", {"quotes: interface = \"eth1\""}},
        {"[server]\ninterface = \"eth1", "r.toml:", {"closing quote"}},
        {"[server]\ninterface: \"eth1\"", "r.toml:3:", {"interface = \"eth1\""}},
        {"[server]\ninterface =", "r.toml:3:", {"value is missing"}},
        {"[server]\ninterface = 5", "r.toml:3:13: ", {"[server] interface", "network interface", "interface = \"eth1\"", "found the number 5"}},
        {"[server]\nname = \"My Server\"", "r.toml:3:8: ", {"host name", "\"My Server\""}},
        {"[http]\n[;server]\nport = 1", "r.toml:3:", {"name"}},
        {"[http]\n[]\nport = 1", "r.toml:3:", {}},
        {"[http]\n= 5", "r.toml:3:", {}},
        {"[http]\nport = 80800", "r.toml:3:8: ", {"[http] port", "1 to 65535", "port = 8080", "80800"}},
        {"[http]\nport = \"8080\"", "r.toml:3:8: ", {"found \"8080\""}},
        {"[iscsi]\nport = 0", "r.toml:3:8: ", {"port = 3260"}},
        {"[iscsi]\niqn_prefix = \"rootstock\"", "r.toml:3:14: ", {"iqn.2026-01.org.example"}},
        {"[boot]\nchain = true", "r.toml:3:9: ", {"\"auto\"", "\"always\"", "found true"}},
        {"[unknown]\naction = \"drop\"", "r.toml:3:10: ", {"\"local-disk\"", "image:NAME", "found \"drop\""}},
        {"[unknown]\naction = \"image:\"", "r.toml:3:10: ", {"image:NAME"}},
        {"[machine]\nname = \"a\"", "r.toml:2:", {"[[machine]]", "double brackets"}},
        {"server = 1", "r.toml:2:10: ", {"[server]"}},
        {"machine = [1]", "r.toml:2:12: ", {"[[machine]]", "the number 1"}},
        {"[[machine]]\nname = \"a\"\nimage = \"i\"", "r.toml:2:1: ", {"has no mac", "mac = \"52:54:00:aa:00:07\""}},
        {"[[machine]]\nname = \"a\"\nimage = \"i\"\nmac = []", "r.toml:5:7: ", {"an empty list"}},
        {"[[machine]]\nname = \"a\"\nimage = \"i\"\nmac = [\"52:54:00:aa:00:07\", \"52:54\"]", "r.toml:5:29: ", {"found \"52:54\""}},
        {"[[machine]]\nname = \"a\"\nimage = \"i\"\nmac = \"ff:ff:ff:ff:ff:ff\"", "r.toml:5:7: ", {"MAC address"}},
        {"[[machine]]\nname = \"Lab_7\"\nimage = \"i\"\nmac = \"52:54:00:aa:00:07\"", "r.toml:3:8: ", {"host name", "\"Lab_7\""}},
        {"[[volume]]\nname = \"v\"\nsize = \"10 apples\"", "r.toml:4:8: ", {"1M to 64T", "size = \"10G\"", "10 apples"}},
        {"[[volume]]\nname = \"v\"\nsize = \"100\"", "r.toml:4:8: ", {"multiple of 1M"}},
        {"[[volume]]\nname = \"v\"\nsize = \"65T\"", "r.toml:4:8: ", {"64T"}},
        {"[[volume]]\nname = \"v\"", "r.toml:2:1: ", {"has no size"}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\ninitiators = [\"iqn.bad\"]", "r.toml:5:15: ", {"names of machines"}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\nchap = \"user%secret\"", "r.toml:5:8: ", {"chap = { user = "}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\nchap = { user = \"a\" }", "r.toml:5:8: ", {"[[volume]] chap has no secret"}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\nchap = { user = \"a\", secret = \"short\" }", "r.toml:5:31: ",
         {"12 to 255 bytes", "RFC 7143 section 9.2.1", "found one of 5"}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\nchap = { usr = \"a\", user = \"a\", secret = \"twelve bytes\" }", "r.toml:5:10: ", {"did you mean user?"}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\nmutual_chap = { user = \"a\", secret = \"twelve bytes\" }", "r.toml:5:15: ", {"needs CHAP as well"}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\nblock_size = 1024", "r.toml:5:14: ", {"512 or 4096", "found the number 1024"}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\nread_only = \"yes\"", "r.toml:5:13: ", {"read_only = true", "found \"yes\""}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\nvolatil = true", "r.toml:5:1: ", {"did you mean volatile?"}},
        {"[[volume]]\nname = \"v\"\niso = \"debian.iso\"", "r.toml:4:7: ", {"absolute path", "iso = \"/srv/iso/debian-12.iso\""}},
        {"[[volume]]\nname = \"v\"\niso = \"/srv/a.iso\"\nsize = \"1G\"", "r.toml:5:8: ", {"size: a volume with iso is a CD-ROM"}},
        {"[[volume]]\nname = \"v\"\nsize = \"1G\"\nmoved_to = \"nowhere\"", "r.toml:5:12: ", {"moved_to = \"10.20.0.2:3260\"", "found \"nowhere\""}},
        {"[iscsi]\nportals = [\"10.20.0.1:3260\", \"fd00::1\"]", "r.toml:3:30: ", {"[fd00::1]:3260", "found \"fd00::1\""}},
        {"[isns]\nserver = \"somewhere\"", "r.toml:3:10: ", {"the address of an iSNS server", "found \"somewhere\""}},
        {"[iscsi]\nportals = \"10.20.0.1:0\"", "r.toml:3:11: ", {"addresses of this host"}},
        {"[iscsi]\nportals = []", "r.toml:3:11: ", {"1 to 64", "found 0"}},
        {"[iscsi]\nportals = [\"10.20.0.1\", \"10.20.0.1:3260\"]", "r.toml:3:11: ", {"10.20.0.1 with port 3260 is there twice"}},
        {"[limits]\niscsi_connections = 0", "r.toml:3:21: ", {"1 to 1000000", "iscsi_connections = 8192"}},
        {"[limits]\niscsi_login_time = \"2h\"", "r.toml:3:20: ", {"1s to 1h", "found \"2h\""}},
        {"[limits]\niscsi_conections = 1", "r.toml:3:1: ", {"did you mean iscsi_connections?"}},
        {"[limits]\nvolatile_memory = \"much\"", "r.toml:3:19: ", {"volatile_memory = \"4G\""}},
        {"[iscsi]\ndiscovery_chap = { user = \"a\", secret = \"twelve bytes\" }\ndiscovery_mutual_chap = { user = \"b\", secret = \"twelve bytes\" }",
         "r.toml:4:25: ", {"different secrets"}},
        {"[[image]]\nname = \"../etc\"", "r.toml:3:8: ", {"found \"../etc\""}},
        {"[[image]]\nname = \"a\"\n[[image]]\nname = \"a\"", "r.toml:5:8: ", {"twice", "line 3"}},
        {"[[image]]\nname = \"win11\"\n[unknown]\naction = \"image:win1\"", "r.toml:5:10: ", {"did you mean \"win11\"?"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto found = problems(without_dhcp(row.text));
        REQUIRE(found.size() == 1);
        CHECK_THAT(found[0], StartsWith(row.place));
        for (const char* part : row.says) {
            CHECK_THAT(found[0], Contains(part));
        }
        CHECK(found[0].find('\n') == std::string::npos);
    }
}

TEST_CASE("CHAP: one way, both ways, and for discovery", "[app][config][chap]") {
    const auto config = parse_config(without_dhcp("[iscsi]\ndiscovery_chap = { user = \"seeker\", secret = \"twelve bytes\" }\n"
                                           "[[volume]]\nname = \"v\"\nsize = \"1G\"\nchap = { user = \"in\", secret = \"at least 12 bytes\" }\n"
                                           "mutual_chap = { user = \"out\", secret = \"quite another one\" }\n"),
                                     "r.toml");
    REQUIRE(config);
    CHECK(config->discovery_chap == images::ChapIdentity{"seeker", "twelve bytes"});
    CHECK(config->discovery_mutual_chap.empty());
    CHECK(config->volumes[0].options.chap == images::ChapIdentity{"in", "at least 12 bytes"});
    CHECK(config->volumes[0].options.mutual_chap == images::ChapIdentity{"out", "quite another one"});
}

TEST_CASE("Kinds of volumes", "[app][config]") {
    const auto config = parse_config(without_dhcp("[[volume]]\nname = \"a\"\nsize = \"1G\"\n"
                                                  "[[volume]]\nname = \"b\"\nsize = \"1G\"\nread_only = true\nvolatile = true\nblock_size = 4096\n"),
                                     "r.toml");
    REQUIRE(config);
    CHECK(config->volumes[0].options == images::VolumeOptions());
    CHECK(config->volumes[1].options == images::VolumeOptions{{}, {}, true, images::VolumeKind::memory_only, 4096});
}

TEST_CASE("An iSNS server has the registered port unless another one is named", "[app][config]") {
    const auto server = [](const std::string& text) { return parse_config(without_dhcp("[isns]\nserver = \"" + text + "\"\n"), "r.toml")->isns_server; };
    CHECK(server("10.20.0.5")->text() == "10.20.0.5:3205");
    CHECK(server("[fd00::5]:3206")->text() == "[fd00::5]:3206");
    CHECK_FALSE(parse_config(without_dhcp(""), "r.toml")->isns_server);
}

TEST_CASE("Portals of both versions, with a port and without", "[app][config]") {
    const auto config = parse_config(without_dhcp("[iscsi]\nport = 3261\nportals = [\"10.20.0.1\", \"10.30.0.1:3260\", \"[fd00::1]\", \"[::]:3262\"]\n"), "r.toml");
    REQUIRE(config);
    CHECK(config->portals == std::vector<PortalEntry>{{"10.20.0.1", 3261}, {"10.30.0.1", 3260}, {"fd00::1", 3261}, {"::", 3262}});
}

TEST_CASE("Bounds have defaults and can be changed", "[app][config]") {
    const auto plain = parse_config(without_dhcp(""), "r.toml");
    REQUIRE(plain);
    CHECK(plain->iscsi_limits.connections == iscsi::Limits().connections);
    CHECK_FALSE(plain->volatile_bytes);
    const auto config = parse_config(without_dhcp("[limits]\niscsi_connections = 10\niscsi_connections_per_address = 3\n"
                                                  "iscsi_connections_before_login = 2\niscsi_login_time = \"20s\"\niscsi_logout_time = \"2s\"\n"
                                                  "volatile_memory = \"2G\"\n"),
                                     "r.toml");
    REQUIRE(config);
    CHECK(config->iscsi_limits.connections == 10);
    CHECK(config->iscsi_limits.connections_per_address == 3);
    CHECK(config->iscsi_limits.connections_before_login == 2);
    CHECK(config->iscsi_limits.login_time == 20s);
    CHECK(config->iscsi_limits.logout_time == 2s);
    CHECK(config->volatile_bytes == std::uint64_t{2} << 30U);
}

TEST_CASE("No message shows what stands where a secret should", "[app][config][chap]") {
    for (const char* secret : {"\"hush\"", "[\"hush\"]", "{ hush = 1 }"}) {
        CAPTURE(secret);
        const auto found =
            problems(without_dhcp("[[volume]]\nname = \"v\"\nsize = \"1G\"\nchap = { user = \"a\", secret = " + std::string(secret) + " }"));
        REQUIRE(found.size() == 1);
        CHECK_THAT(found[0], !Contains("hush"));
    }
}

TEST_CASE("DHCP's mistakes", "[app][config]") {
    struct Row {
        const char* text; // the line behind interface and [dhcp]
        std::vector<const char*> says;
    };
    const Row rows[] = {
        {"mode = \"serve\"", {"r.toml:4:8: ", "\"proxy\"", "found \"serve\""}},
        {"range = \"10.0.0.1\"", {"r.toml:4:9: ", "first and the last", "range = [\"10.20.0.100\""}},
        {"range = [\"10.0.0.1\", \"10.0.0.256\"]", {"r.toml:4:22: ", "10.0.0.256"}},
        {"range = [\"10.0.0.9\", \"10.0.0.1\"]", {"r.toml:4:9: ", "write range = [\"10.0.0.1\", \"10.0.0.9\"]"}},
        {"lease = \"12 parsecs\"", {"r.toml:4:9: ", "12 parsecs", "\"12h\""}},
        {"lease = 1", {"10s"}},
        {"lease = \"99999999999999999999d\"", {"365d"}},
        {"dns = [\"dns.example.org\"]", {"r.toml:4:8: ", "name server"}},
        {"router = 1", {"r.toml:4:10: ", "router"}},
        {"domain = \"a..b\"", {"r.toml:4:10: ", "domain name"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto found = problems("[server]\ninterface = \"eth1\"\n[dhcp]\n" + std::string(row.text));
        REQUIRE(found.size() == 1);
        for (const char* part : row.says) {
            CHECK_THAT(found[0], Contains(part));
        }
    }
    CHECK_THAT(problems("")[0], Contains("interface = \"eth1\"") && Contains("mode = \"off\""));
}

TEST_CASE("Maintenance mode is not for the file: what begins it is named", "[app][config]") {
    const auto found = problems(without_dhcp(std::string(seat) + "mode = \"maintenance\""));
    REQUIRE(found.size() == 1);
    CHECK_THAT(found[0], StartsWith("r.toml:6:8: ") && Contains("image update"));
}

TEST_CASE("All problems are told at once, in the order of the file", "[app][config]") {
    const auto found = problems(without_dhcp("[http]\nport = 0\nprot = 1\n[[volume]]\nsize = 5\n[boot]\nchain = 1\n"));
    REQUIRE(found.size() == 5);
    CHECK_THAT(found[0], StartsWith("r.toml:3:"));
    CHECK_THAT(found[1], StartsWith("r.toml:4:"));
    CHECK_THAT(found[2], StartsWith("r.toml:5:") && Contains("has no name"));
    CHECK_THAT(found[3], StartsWith("r.toml:6:"));
    CHECK_THAT(found[4], StartsWith("r.toml:8:"));
}

TEST_CASE("Names, MACs and addresses are there once", "[app][config]") {
    const std::string one = std::string(seat) + "address = \"10.0.0.7\"\n";
    const auto found = problems(without_dhcp(one + one));
    REQUIRE(found.size() == 3);
    CHECK_THAT(found[0], StartsWith("r.toml:8:8: ") && Contains("\"a\"") && Contains("line 3"));
    CHECK_THAT(found[1], StartsWith("r.toml:9:7: ") && Contains("52:54:00:aa:00:07") && Contains("line 4"));
    CHECK_THAT(found[2], StartsWith("r.toml:11:11: ") && Contains("10.0.0.7"));
}

TEST_CASE("What does not fit the network is told before a port is opened", "[app][config]") {
    const auto config = parse_config("[server]\ninterface = \"eth1\"\n[dhcp]\nrange = [\"10.0.0.10\", \"10.0.1.20\"]\nrouter = \"192.168.0.1\"\n" +
                                         std::string(seat) + "address = \"10.0.0.1\"\n",
                                     "r.toml");
    REQUIRE(config);
    const auto found = check_network(*config, {*Ipv4::parse("10.0.0.1"), 24});
    REQUIRE(found.size() == 3);
    CHECK_THAT(found[0], StartsWith("r.toml:4: ") && Contains("10.0.1.20") && Contains("10.0.0.1/24 of eth1"));
    CHECK_THAT(found[1], StartsWith("r.toml:5: ") && Contains("router"));
    CHECK_THAT(found[2], StartsWith("r.toml:6: ") && Contains("server's own"));
    CHECK(check_network(*config, {*Ipv4::parse("10.0.0.255"), 0}).empty());
}

TEST_CASE("Quotas are of machines, of groups and of the store", "[app][config]") {
    const auto config = parse_config(without_dhcp("[quota]\nmachine = \"20G\"\nstore = \"800G\"\n[[group]]\nname = \"lab1\"\nquota = \"200G\"\n") + seat +
                                         "quota = \"none\"\ngroup = \"lab1\"\n",
                                     "r.toml");
    REQUIRE(config);
    CHECK(config->machine_quota == std::uint64_t{20} << 30U);
    CHECK(config->store_quota == std::uint64_t{800} << 30U);
    REQUIRE(config->groups.size() == 1);
    CHECK(config->groups[0].quota_bytes == std::uint64_t{200} << 30U);
    CHECK(config->machines[0].machine.quota_bytes == std::uint64_t{0});
    CHECK(config->machines[0].machine.group == "lab1");
    const auto plain = parse_config(without_dhcp(seat), "r.toml");
    REQUIRE(plain);
    CHECK(plain->machine_quota == 0);
    CHECK_FALSE(plain->machines[0].machine.quota_bytes);
    for (const char* bad : {"[quota]\nmachine = 20\n", "[quota]\nmachine = \"0\"\n", "[quota]\nstore = \"lots\"\n", "[[group]]\nname = \"l\"\nquota = \"-1G\"\n"}) {
        CAPTURE(bad);
        CHECK(problems(without_dhcp(bad)).size() == 1);
    }
    const auto misspelt = problems(without_dhcp("[[group]]\nname = \"lab1\"\n") + seat + "group = \"lab2\"\n");
    REQUIRE(misspelt.size() == 1);
    CHECK_THAT(misspelt[0], Contains("did you mean \"lab1\""));
}

TEST_CASE("A file that cannot be read is one clear line", "[app][config]") {
    test::TemporaryFolder folder;
    CHECK_THAT(load_config(folder.file("none.toml")).error().at(0), Contains("none.toml") && Contains("No such file") && Contains("--config"));
    std::ofstream(folder.file("binary.toml"), std::ios::binary) << std::string("a\0\xff\xfe", 4);
    CHECK(load_config(folder.file("binary.toml")).error().size() == 1);
    CHECK_FALSE(load_config(folder.path()));
}

TEST_CASE("Broken text never passes and never crashes", "[app][config]") {
    std::ifstream file(ROOTSTOCK_SOURCE_DIR "/data/rootstock.example.toml");
    const std::string good(std::istreambuf_iterator<char>(file), {});
    for (std::size_t size = 0; size < good.size(); size += 7) {
        static_cast<void>(parse_config(std::string_view(good).substr(0, size), "r.toml"));
        std::string bent = good;
        bent[size] = static_cast<char>(bent[size] ^ 0x15);
        if (const auto config = parse_config(bent, "r.toml"); !config) {
            for (const std::string& problem : config.error()) {
                REQUIRE_THAT(problem, StartsWith("r.toml:"));
            }
        }
    }
}

TEST_CASE("iSCSI names and initiators", "[app][config]") {
    for (const char* good : {"iqn.2026-01.org.example", "iqn.2004-10.com.ubuntu:01:a-b.c"}) {
        CHECK(boot::is_valid_iqn(good));
    }
    for (const char* bad : {"", "iqn.", "iqn.2026-13.org.example", "iqn.26-01.org", "iqn.2026-01.", "iqn.2026-01.Org", "iqn.2026-01.org ", "iqn.2026-01.org:"}) {
        CAPTURE(bad);
        CHECK_FALSE(boot::is_valid_iqn(bad));
    }
    for (const char* good : {"*", "lab1-07", "eui.0123456789ABCDEF", "naa.52004567BA64678D"}) {
        CHECK(boot::is_valid_initiator_entry(good));
    }
    for (const char* bad : {"", "**", "eui.", "eui.xyz", "iqn.nonsense"}) {
        CHECK_FALSE(boot::is_valid_initiator_entry(bad));
    }
}
