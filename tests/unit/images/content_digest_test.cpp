#include "images/content_digest.hpp"

#include "core/digest.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "images/import.hpp"
#include "images_test_files.hpp"
#include "support/catch.hpp"


using namespace rootstock;
using namespace rootstock::images;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

struct Noise {
    TemporaryDirectory directory;
    std::unique_ptr<FileSystem> files = make_posix_file_system();
    std::unique_ptr<File> file;

    explicit Noise(std::size_t size) {
        ByteVector bytes(size);
        SeededRandom random(3);
        random.fill(bytes);
        directory.write("noise", as_text(bytes));
        file = value_of(files->open(directory.file("noise"), OpenMode::read_write));
    }
};

} // namespace

// The tree heads of draft-ietf-trans-rfc6962's test vectors, as in Certificate Transparency's own tests (merkletree: "reference roots").
TEST_CASE("The root is the Merkle tree hash of RFC 6962", "[images][digest]") {
    const std::vector<ByteVector> data = {{}, {0x00}, {0x10}, {0x20, 0x21}, {0x30, 0x31}, {0x40, 0x41, 0x42, 0x43}};
    const std::vector<std::string> roots = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"};
    ContentDigest digest;
    CHECK(digest.root() == roots[0]);
    for (std::size_t leaf = 0; leaf < data.size(); ++leaf) {
        const ByteVector hash = piece_digest(data[leaf], data[leaf].size());
        digest.leaves.insert(digest.leaves.end(), hash.begin(), hash.end());
        CHECK(digest.root() == roots[leaf + 1]);
    }
}

TEST_CASE("Zeros behind the data of a piece count like zeros in it", "[images][digest]") {
    ByteVector data(10000, 7);
    const ByteVector short_digest = piece_digest(data, 20000);
    data.resize(20000);
    CHECK(short_digest == piece_digest(data, 20000));
}

TEST_CASE("The digest that import takes on the way is that of the file", "[images][digest]") {
    Noise noise(9 * mib + 512);
    REQUIRE(noise.file->punch_hole(2 * mib, 2 * mib));
    const auto imported = value_of(import_image(*noise.files, {noise.directory.file("noise")}, noise.directory.file("master.vhdx"), {}));
    const auto file = value_of(noise.files->open(noise.directory.file("master.vhdx"), OpenMode::read_only));
    CHECK(imported.digest.file_size == value_of(file->size()));
    CHECK(imported.digest == value_of(digest_file(*file, {})));
}

TEST_CASE("A damage is located by pieces, and neighbours are one", "[images][digest]") {
    Noise noise(11 * mib);
    const ContentDigest digest = value_of(digest_file(*noise.file, {}));
    REQUIRE(digest.piece_count() == 6);
    CHECK(value_of(compare_file(*noise.file, digest, {})).empty());
    const auto flip = [&](std::uint64_t offset) {
        ByteVector byte(1);
        REQUIRE(noise.file->read_at(offset, byte));
        byte[0] ^= 1U;
        REQUIRE(noise.file->write_at(offset, byte));
    };
    flip(2 * mib);
    flip(6 * mib - 1);
    flip(11 * mib - 1);
    const auto damage = value_of(compare_file(*noise.file, digest, {}));
    REQUIRE(damage.size() == 2);
    CHECK((damage[0].offset == 2 * mib && damage[0].length == 4 * mib));
    CHECK((damage[1].offset == 10 * mib && damage[1].length == mib));
}

TEST_CASE("What is missing at the end, or too much, is damage", "[images][digest]") {
    Noise noise(5 * mib);
    const ContentDigest digest = value_of(digest_file(*noise.file, {}));
    SECTION("missing") {
        REQUIRE(noise.file->resize(3 * mib));
        const auto damage = value_of(compare_file(*noise.file, digest, {}));
        REQUIRE(damage.size() == 1);
        CHECK((damage[0].offset == 2 * mib && damage[0].length == 3 * mib));
    }
    SECTION("too much") {
        REQUIRE(noise.file->resize(6 * mib));
        const auto damage = value_of(compare_file(*noise.file, digest, {}));
        REQUIRE(damage.size() == 1);
        CHECK((damage[0].offset == 5 * mib && damage[0].length == mib));
    }
}

TEST_CASE("Whoever watches the progress can stop the reading", "[images][digest]") {
    Noise noise(6 * mib);
    std::vector<std::uint64_t> seen;
    const auto stopped = digest_file(*noise.file, [&](std::uint64_t done, std::uint64_t) {
        seen.push_back(done);
        return done < 2 * mib;
    });
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == std::errc::operation_canceled);
    CHECK(seen == std::vector<std::uint64_t>{0, 2 * mib});
}
