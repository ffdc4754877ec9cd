// What the PCs ask for: /boot.ipxe (script by MAC, held while there is nothing to do) and /loaders/
// (UEFI HTTP Boot).
#include "api/routes.hpp"
#include "boot/limits.hpp"
#include "http/static_files.hpp"

namespace rootstock::api {

namespace {

constexpr std::string_view script_type = "text/plain; charset=us-ascii";

std::optional<boot::ScriptRequest> parse_request(const http::Request& request) {
    const auto mac = Mac::parse(request.query_value("mac"));
    if (!mac || !mac->is_station()) {
        return std::nullopt;
    }
    boot::ScriptRequest script;
    script.mac = *mac;
    script.uuid = Guid::parse(request.query_value("uuid"));
    script.manufacturer = fleet::plain_text(request.query_value("manufacturer"));
    script.product = fleet::plain_text(request.query_value("product"));
    script.serial = fleet::plain_text(request.query_value("serial"));
    script.waits = request.query_value("wait") == "1";
    script.retries = request.query_value("retry") == "1";
    script.remote_address = request.remote_address;
    return script;
}

/// A PC that waits until something changes for it.
class HeldScript final : public http::Held {
  public:
    HeldScript(SharedApi api, boot::ScriptRequest request)
        : api_(std::move(api)), request_(std::move(request)) {}
    ~HeldScript() override {
        if (!finished_) {
            api_->parts.scripts.left(request_.mac);
        }
    }

    void on_ready(http::Wake wake) override {
        waiting_ = api_->parts.scripts.wait(request_, std::move(wake));
    }
    std::chrono::milliseconds patience() const override { return boot::wait_hold; }
    http::Response finish() override {
        finished_ = true;
        return http::text_response(200, script_type, api_->parts.scripts.script(request_));
    }

  private:
    SharedApi api_;
    boot::ScriptRequest request_;
    std::shared_ptr<void> waiting_;
    bool finished_ = false;
};

http::Reply answer_script(const SharedApi& api, const http::Request& request) {
    auto script = parse_request(request);
    if (!script) {
        return http::error_response(400,
                                    "invalid",
                                    "the query must name the PC's hardware address",
                                    "example: /boot.ipxe?mac=52:54:00:aa:00:07");
    }
    if (api->parts.scripts.must_wait(*script)) {
        return std::shared_ptr<http::Held>(std::make_shared<HeldScript>(api, std::move(*script)));
    }
    return http::text_response(200, script_type, api->parts.scripts.script(*script));
}

http::Reply answer_loader(const SharedApi& api, const http::Request& request) {
    const std::string& name = request.captures.at(0);
    const auto file = api->parts.loaders.find(name, request.remote_address);
    if (!file) {
        return http::error_response(404, "not_found", "there is no loader " + name);
    }
    http::Response response;
    response.headers.emplace_back("Content-Type", http::content_type_of(name));
    response.bytes = file->bytes;
    response.owner = file->owner;
    response.sent = [api, name, client = request.remote_address] {
        api->parts.loaders.delivered_by(name, client, "HTTP");
    };
    return response;
}

} // namespace

void add_boot_routes(http::Router& router, const SharedApi& api) {
    router.add(http::Method::get,
               "/boot.ipxe",
               http::Runs::in_offload,
               [api](const http::Request& request) { return answer_script(api, request); });
    router.add(http::Method::get,
               "/loaders/{name}",
               http::Runs::here,
               [api](const http::Request& request) { return answer_loader(api, request); });
}

} // namespace rootstock::api
