#include "api/machine_export.hpp"

#include "api/json.hpp"
#include "api/limits.hpp"

#include <boost/json/serialize.hpp>

#include <utility>

namespace rootstock::api {

namespace {

class Loan final : public http::Stream {
  public:
    explicit Loan(std::shared_ptr<const std::string> path) : path_(std::move(path)) {}

    void on_ready(http::Wake) override {} // there is nothing to wait for but the reader's end
    std::optional<std::string> next() override {
        if (std::exchange(told_, true)) {
            return std::string();
        }
        return json::serialize(json::object{{"disk", json::object{{"file", *path_}}}}) + "\n";
    }
    std::chrono::milliseconds patience() const override { return event_heartbeat; }

  private:
    std::shared_ptr<const std::string> path_;
    bool told_ = false;
};

} // namespace

Result<std::shared_ptr<http::Stream>> lend_machine_disk(const Parts& parts,
                                                        const std::string& machine) {
    if (auto released = parts.disks.release_machine_disk(machine); !released) {
        return released.error();
    }
    auto path = parts.store.hold_machine_disk(machine);
    if (!path) {
        return path.error();
    }
    return std::shared_ptr<http::Stream>(std::make_shared<Loan>(std::move(*path)));
}

} // namespace rootstock::api
