#include "net/local_address.hpp"

#include "core/error.hpp"

#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace rootstock::net {

namespace {

constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;

} // namespace

Result<LocalAddress> LocalAddress::of(const std::string& path) {
    if (path.size() <= path_bytes_max) {
        return LocalAddress(path, -1);
    }
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const int opened = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) {
        return errno_error("cannot open " + directory);
    }
    const std::string through = "/proc/self/fd/" + std::to_string(opened) + "/" + path.substr(slash + 1);
    if (through.size() > path_bytes_max) {
        ::close(opened);
        return make_error(std::errc::filename_too_long, "the name of a UNIX socket is too long: " + path);
    }
    return LocalAddress(through, opened);
}

LocalAddress::LocalAddress(LocalAddress&& other) noexcept
    : endpoint_(other.endpoint_), directory_(std::exchange(other.directory_, -1)) {}

LocalAddress::~LocalAddress() {
    if (directory_ >= 0) {
        ::close(directory_);
    }
}

} // namespace rootstock::net
