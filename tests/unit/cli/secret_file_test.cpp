#include "cli/secret_file.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <fstream>

using namespace rootstock;

TEST_CASE("A secret is the first line of its file, without the line's end", "[cli][secret]") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("secret");
    for (const char* content : {"at least 12 bytes", "at least 12 bytes\n", "at least 12 bytes\r\n", "at least 12 bytes\nand a comment\n"}) {
        std::ofstream(path, std::ios::binary) << content;
        const auto secret = cli::read_secret(path);
        REQUIRE(secret);
        CHECK(*secret == "at least 12 bytes");
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc).flush();
    CHECK_THAT(cli::read_secret(path).error().what, Catch::Contains("there is no secret in"));
    CHECK_FALSE(cli::read_secret(folder.file("missing")));
}
