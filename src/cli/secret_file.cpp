#include "cli/secret_file.hpp"

#include <array>
#include <cstdio>
#include <memory>

namespace rootstock::cli {

namespace {
constexpr std::size_t line_max = 4096; // far more than any secret: more is another file
}

Result<std::string> read_secret(const std::string& path) {
    const bool from_input = path == "-";
    const auto close = [from_input](std::FILE* file) { return from_input ? 0 : std::fclose(file); };
    const std::unique_ptr<std::FILE, decltype(close)> file(from_input ? stdin : std::fopen(path.c_str(), "re"), close);
    if (!file) {
        return errno_error("cannot open the file of the secret " + path);
    }
    std::array<char, line_max> line{};
    if (std::fgets(line.data(), line.size(), file.get()) == nullptr) {
        return make_error(std::errc::invalid_argument, "there is no secret in " + (from_input ? "the standard input" : path));
    }
    std::string secret = line.data();
    while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) {
        secret.pop_back();
    }
    return secret;
}

} // namespace rootstock::cli
