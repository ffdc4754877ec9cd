#include "support/network_pair.hpp"

#include "core/assert.hpp"

#include <cstdlib>

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rootstock::test {

int run_command(const std::string& command) {
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool have_program(const std::string& name) { return run_command("command -v " + name + " >/dev/null 2>&1") == 0; }

std::unique_ptr<NetworkPair> NetworkPair::make(std::string& why) {
    if (!have_program("ip")) {
        why = "the program ip is not installed";
        return nullptr;
    }
    if (::unshare(CLONE_NEWNET) != 0) {
        why = "no network namespace can be made: not root";
        return nullptr;
    }
    std::unique_ptr<NetworkPair> pair(new NetworkPair("rs-net-" + std::to_string(::getpid())));
    const std::string& name = pair->name_;
    const bool made = run_command("ip netns add " + name + " && ip link set lo up && "
                                  "ip link add rs-server type veth peer name rs-client netns " + name + " && "
                                  "ip address add 10.20.0.1/16 dev rs-server && ip link set rs-server up && "
                                  "ip -n " + name + " link set lo up && ip -n " + name + " link set rs-client up") == 0;
    if (!made) {
        why = "the network namespaces could not be joined";
        return nullptr;
    }
    return pair;
}

NetworkPair::~NetworkPair() { run_command("ip netns del " + name_ + " 2>/dev/null"); }

int NetworkPair::run(const std::string& command) const { return run_command("ip netns exec " + name_ + " sh -c '" + command + "'"); }

void NetworkPair::enter_client() const {
    const int fd = ::open(("/run/netns/" + name_).c_str(), O_RDONLY | O_CLOEXEC);
    RS_ASSERT(fd >= 0 && ::setns(fd, CLONE_NEWNET) == 0);
    ::close(fd);
}

} // namespace rootstock::test
