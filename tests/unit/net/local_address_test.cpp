#include "net/local_address.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <algorithm>
#include <filesystem>

using namespace rootstock;
using net::LocalAddress;
using Local = net::asio::local::stream_protocol;

namespace {

/// A path of `length` bytes below `folder`, or a few more; its directories exist.
std::string path_of_length(const std::string& folder, std::size_t length) {
    const std::string name = "/a.sock";
    std::string path = folder;
    while (path.size() + name.size() < length) {
        path += "/" + std::string(std::clamp<std::size_t>(length - path.size() - name.size(), 2, 60) - 1, 'd');
    }
    std::filesystem::create_directories(path);
    return path + name;
}

bool is_reached(const std::string& path) {
    net::asio::io_context context;
    Local::acceptor acceptor(context, Local());
    {
        const auto address = LocalAddress::of(path);
        REQUIRE(address);
        acceptor.bind(address->endpoint());
        acceptor.listen();
    }
    Local::socket client(context);
    const auto address = LocalAddress::of(path);
    REQUIRE(address);
    boost::system::error_code error;
    client.connect(address->endpoint(), error);
    return !error && std::filesystem::is_socket(path);
}

} // namespace

TEST_CASE("a UNIX socket is bound and reached by a path of any length") {
    const test::TemporaryFolder folder;
    CHECK(is_reached(path_of_length(folder.path(), GENERATE(0U, 107U, 108U, 109U, 400U))));
}

TEST_CASE("what a long path of a UNIX socket lacks is said") {
    const test::TemporaryFolder folder;
    const auto missing = LocalAddress::of(folder.file(std::string(120, 'm')) + "/a.sock");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == std::errc::no_such_file_or_directory);
    const auto name = LocalAddress::of(folder.file(std::string(120, 'n')));
    REQUIRE_FALSE(name);
    CHECK(name.error().code == std::errc::filename_too_long);
}
