#include "net/port_owner.hpp"

#include "core/text.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <set>

namespace rootstock::net {

namespace fs = std::filesystem;

namespace {

/// The socket inodes with this local port in one table of /proc/net (proc(5)): `sl local_address rem_address st ... inode`.
void collect_inodes(const char* table, Transport transport, std::uint16_t port, std::set<std::string>& inodes) {
    constexpr std::string_view tcp_listen = "0A";
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::vector<std::string> words;
        for (const auto word : split(line, ' ')) {
            if (!word.empty()) {
                words.emplace_back(word);
            }
        }
        if (words.size() < 10 || (transport == Transport::tcp && words[3] != tcp_listen)) {
            continue;
        }
        const auto colon = words[1].rfind(':');
        if (colon != std::string::npos && parse_hex<std::uint16_t>(words[1].substr(colon + 1)) == port) {
            inodes.insert("socket:[" + words[9] + "]");
        }
    }
}

bool holds_socket(const fs::path& process, const std::set<std::string>& sockets) {
    std::error_code error;
    for (fs::directory_iterator fd(process / "fd", error), end; !error && fd != end; fd.increment(error)) {
        std::error_code unreadable;
        if (sockets.contains(fs::read_symlink(fd->path(), unreadable).string())) {
            return true;
        }
    }
    return false;
}

} // namespace

std::optional<std::string> port_owner(Transport transport, std::uint16_t port) {
    const bool tcp = transport == Transport::tcp;
    std::set<std::string> sockets;
    collect_inodes(tcp ? "/proc/net/tcp" : "/proc/net/udp", transport, port, sockets);
    collect_inodes(tcp ? "/proc/net/tcp6" : "/proc/net/udp6", transport, port, sockets);
    std::error_code error;
    for (fs::directory_iterator process("/proc", error), end; !error && process != end; process.increment(error)) {
        const std::string pid = process->path().filename();
        if (parse_number<int>(pid) && holds_socket(process->path(), sockets)) {
            std::ifstream file(process->path() / "comm");
            std::string name;
            std::getline(file, name);
            return name + " (process " + pid + ")";
        }
    }
    return std::nullopt;
}

Error port_taken_error(Transport transport,
                       const std::string& where,
                       std::uint16_t port,
                       const std::string& purpose) {
    const std::string protocol = transport == Transport::tcp ? "TCP" : "UDP";
    const std::string owner = port_owner(transport, port).value_or("another process");
    return make_error(std::errc::address_in_use,
                      purpose + " cannot use " + where + " (" + protocol + "): " + owner +
                          " has it; stop that process or choose another address or port");
}

} // namespace rootstock::net
