#include "db/connection.hpp"
#include "db/database.hpp"
#include "db/migrations.hpp"
#include "db/writer.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <thread>

using namespace rootstock;
using Catch::Matchers::Contains;

namespace {

const SystemClock real_clock;

std::string read_all(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_all(const std::string& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

/// The version-1 database that tests/golden/db/v1.sql describes.
void make_version_1(const std::string& path) {
    auto connection = db::Connection::open(path);
    REQUIRE(connection);
    REQUIRE((*connection)->script(read_all(ROOTSTOCK_SOURCE_DIR "/tests/golden/db/v1.sql")));
}

std::string refusal(const std::string& path) {
    const auto database = db::Database::open(path, real_clock);
    REQUIRE_FALSE(database);
    CHECK(database.error().what.find('\n') == std::string::npos);
    return database.error().what;
}

} // namespace

TEST_CASE("A database of version 1 is read by today's program", "[db][migration]") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("rootstock.db");
    make_version_1(path);
    const auto database = db::Database::open(path, real_clock);
    REQUIRE(database);
    const auto machines = (*database)->fleet().load_machines();
    REQUIRE(machines);
    REQUIRE(machines->size() == 1);
    const fleet::Machine& machine = machines->front();
    CHECK(machine.name == "lab1-07");
    CHECK(machine.generation == 2);
    CHECK(machine.macs == std::vector{*Mac::parse("52:54:00:bb:00:07")});
    REQUIRE(machine.retired.size() == 1);
    CHECK(machine.retired[0].mac == *Mac::parse("52:54:00:aa:00:07"));
    CHECK((*database)->fleet().load_boots(std::nullopt, 10)->at(0).stages.size() == 2);
    CHECK((*database)->images().versions()->at(0).identity.virtual_size == 1073741824);
    const auto volumes = (*database)->images().volumes();
    REQUIRE(volumes->size() == 1);
    CHECK(volumes->at(0).initiators == std::vector<std::string>{"*"});
    CHECK(volumes->at(0).options == images::VolumeOptions());
    CHECK((*database)->leases().load()->size() == 1);
    CHECK((*database)->fleet().load_applied()->at(0).value == "52:54:00:aa:00:07");
}

TEST_CASE("An older database is copied, then brought up to date; a second opening does nothing more", "[db][migration]") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("rootstock.db");
    auto migrations = db::embedded_migrations();
    const std::string copy = path + ".v" + std::to_string(migrations.back().number) + ".bak";
    make_version_1(path);
    {
        auto connection = db::Connection::open(path);
        REQUIRE(db::migrate(**connection, migrations));
    }
    migrations.push_back({migrations.back().number + 1, "ALTER TABLE machine ADD COLUMN seat TEXT; CREATE TABLE extra (x INTEGER);"});
    for (int opening = 0; opening < 2; ++opening) {
        auto connection = db::Connection::open(path);
        REQUIRE(db::migrate(**connection, migrations));
        CHECK((*connection)->run("UPDATE machine SET seat = 'window'"));
    }
    struct stat status {};
    REQUIRE(::stat(copy.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600);
    auto connection = db::Connection::open(copy);
    CHECK((*connection)->run("SELECT name FROM machine"));
    CHECK_FALSE((*connection)->run("SELECT x FROM extra"));
}

TEST_CASE("A migration that fails leaves the database as it was", "[db][migration]") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("rootstock.db");
    make_version_1(path);
    auto migrations = db::embedded_migrations();
    migrations.push_back({migrations.back().number + 1, "CREATE TABLE half (x INTEGER); INSERT INTO nowhere VALUES (1);"});
    {
        auto connection = db::Connection::open(path);
        const auto failed = db::migrate(**connection, migrations);
        REQUIRE_FALSE(failed);
        CHECK_THAT(failed.error().what, Contains("nowhere") && Contains(".bak"));
        CHECK_FALSE((*connection)->run("SELECT x FROM half"));
    }
    CHECK(db::Database::open(path, real_clock));
}

TEST_CASE("A database of a newer program is refused and left alone", "[db][migration]") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("rootstock.db");
    make_version_1(path);
    {
        auto connection = db::Connection::open(path);
        REQUIRE((*connection)->script("PRAGMA user_version = 999;"));
    }
    CHECK_THAT(refusal(path), Contains("newer") && Contains("999") && Contains(path));
}

TEST_CASE("What is no database of ours is refused in one sentence", "[db]") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("rootstock.db");
    SECTION("a text file") {
        write_all(path, "These are my shopping notes, which happen to lie here under this name.\n" + std::string(4096, '.'));
        CHECK_THAT(refusal(path), Contains("no database") && Contains(path));
        CHECK(read_all(path).starts_with("These are"));
    }
    SECTION("another program's database") {
        {
            auto connection = db::Connection::open(path);
            REQUIRE((*connection)->script("CREATE TABLE places (url TEXT);"));
        }
        CHECK_THAT(refusal(path), Contains("another program"));
    }
    SECTION("a damaged one") {
        make_version_1(path);
        std::string content = read_all(path);
        std::fill(content.begin() + 4096, content.end(), '\xa5');
        write_all(path, content);
        CHECK_THAT(refusal(path), Contains("damaged"));
    }
    SECTION("a cut one") {
        make_version_1(path);
        REQUIRE(::truncate(path.c_str(), 5000) == 0);
        CHECK_THAT(refusal(path), Contains("damaged"));
    }
    SECTION("no folder") {
        CHECK_THAT(refusal(folder.file("missing/rootstock.db")), Contains("must exist"));
    }
    SECTION("a folder in its place") {
        REQUIRE(::mkdir(path.c_str(), 0700) == 0);
        CHECK_THAT(refusal(path), Contains(path));
    }
}

TEST_CASE("A second process is told who owns the data directory", "[db]") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("rootstock.db");
    {
        const auto first = db::Database::open(path, real_clock);
        REQUIRE(first);
        CHECK_THAT(refusal(path), Contains("in use by process " + std::to_string(::getpid())));
    }
    CHECK(db::Database::open(path, real_clock));
}

TEST_CASE("The database and its log are for their owner only", "[db]") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("rootstock.db");
    const auto database = db::Database::open(path, real_clock);
    REQUIRE(database);
    for (const std::string& file : {path, path + "-wal", path + "-shm"}) {
        struct stat status {};
        REQUIRE(::stat(file.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777U) == 0600);
    }
}

TEST_CASE("In a shared transaction a piece that fails is undone alone", "[db]") {
    test::TemporaryFolder folder;
    auto connection = db::Connection::open(folder.file("x.db"));
    REQUIRE((*connection)->script("CREATE TABLE t (x INTEGER PRIMARY KEY);"));
    db::Writer writer(std::move(*connection));
    const auto insert = [](std::int64_t value) {
        return [value](db::Connection& c) -> Result<void> {
            if (auto inserted = c.run("INSERT INTO t VALUES (?1)", value); !inserted) {
                return inserted;
            }
            return value % 2 == 0 ? Result<void>() : make_error(std::errc::invalid_argument, "odd");
        };
    };
    std::vector<std::thread> threads;
    for (std::int64_t value = 0; value < 64; ++value) {
        threads.emplace_back([&, value] {
            if (writer.run(insert(value)).has_value() != (value % 2 == 0)) {
                std::abort();
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const auto count = writer.run([](db::Connection& c) -> Result<std::int64_t> {
        db::Statement row = c.query("SELECT count(*) FROM t WHERE x % 2 = 0 OR 1");
        return row.next() ? row.integer(0) : -1;
    });
    CHECK(*count == 32);
}

TEST_CASE("A full database is an error, nothing is half done, and it goes on when there is room", "[db]") {
    test::TemporaryFolder folder;
    auto connection = db::Connection::open(folder.file("x.db"));
    REQUIRE((*connection)->script("CREATE TABLE t (x TEXT); PRAGMA max_page_count = 10;"));
    db::Writer writer(std::move(*connection));
    const auto insert = [](db::Connection& c) -> Result<void> {
        if (auto first = c.run("INSERT INTO t VALUES ('small')"); !first) {
            return first;
        }
        return c.run("INSERT INTO t VALUES (?1)", std::string(100000, 'x'));
    };
    const auto full = writer.run(insert);
    REQUIRE_FALSE(full);
    CHECK(full.error().code == std::errc::no_space_on_device);
    REQUIRE(writer.run([](db::Connection& c) { return c.run("PRAGMA max_page_count = 10000"); }));
    CHECK(writer.run(insert));
    CHECK(*writer.run([](db::Connection& c) -> Result<std::int64_t> {
        db::Statement row = c.query("SELECT count(*) FROM t");
        return row.next() ? row.integer(0) : -1;
    }) == 2);
}
