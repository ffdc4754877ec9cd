// Two network namespaces joined by a cable: the process itself is one end (10.20.0.1/16 on "rs-server"), programs run on the other
// ("rs-client"). Needs root. Make it before any thread: namespaces belong to threads.
#pragma once

#include <memory>
#include <string>

namespace rootstock::test {

class NetworkPair {
  public:
    /// Null, with the reason in `why`, when namespaces cannot be made here.
    [[nodiscard]] static std::unique_ptr<NetworkPair> make(std::string& why);
    ~NetworkPair();
    NetworkPair(const NetworkPair&) = delete;
    NetworkPair& operator=(const NetworkPair&) = delete;

    /// Runs a shell command on the client's end; its exit code.
    [[nodiscard]] int run(const std::string& command) const;
    /// Moves the calling thread to the client's end, for good.
    void enter_client() const;

  private:
    explicit NetworkPair(std::string name) : name_(std::move(name)) {}
    std::string name_;
};

[[nodiscard]] bool have_program(const std::string& name);
/// The exit code of a shell command; -1 when it did not end by itself.
int run_command(const std::string& command);

} // namespace rootstock::test
