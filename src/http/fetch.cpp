#include "http/fetch.hpp"

#include "core/text.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include <array>
#include <algorithm>

namespace rootstock::http {
namespace {

namespace urls = boost::urls;

constexpr std::uint16_t http_port = 80;
constexpr std::uint16_t https_port = 443;

Error refused(const std::string& what) { return make_error(std::errc::invalid_argument, what); }
Error failed(const std::string& what) { return make_error(std::errc::io_error, what); }

std::uint16_t default_port(bool tls) { return tls ? https_port : http_port; }

Result<Url> to_url(const urls::url_view& view) {
    Url url;
    url.tls = view.scheme_id() == urls::scheme::https;
    if (!url.tls && view.scheme_id() != urls::scheme::http) {
        return refused("only http:// and https:// can be fetched");
    }
    if (view.has_userinfo()) {
        return refused("a URL with a user or a password in it is not fetched: it would stand in logs");
    }
    url.host = view.host_address();
    if (url.host.empty()) {
        return refused("the URL names no host");
    }
    const bool has_port = view.has_port() && !view.port().empty();
    const auto port = has_port ? parse_number<std::uint16_t>(std::string_view(view.port().data(), view.port().size())) : default_port(url.tls);
    if (!port || *port == 0) {
        return refused("the URL's port is none: 1 to 65535 are");
    }
    url.port = *port;
    url.target = std::string(view.encoded_path());
    url.target = url.target.empty() ? "/" : url.target;
    if (view.has_query()) {
        url.target += "?" + std::string(view.encoded_query());
    }
    return url;
}

struct Part {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t size = 0;
};

/// "bytes 100-199/1000" (RFC 9110 section 14.4). A server that does not know the size ("*") cannot be told from one that has another file.
std::optional<Part> parse_content_range(std::string_view text) {
    constexpr std::string_view unit = "bytes ";
    const std::size_t dash = text.find('-');
    const std::size_t slash = text.find('/');
    if (!text.starts_with(unit) || dash == text.npos || slash == text.npos || slash < dash) {
        return std::nullopt;
    }
    const auto first = parse_number<std::uint64_t>(text.substr(unit.size(), dash - unit.size()));
    const auto last = parse_number<std::uint64_t>(text.substr(dash + 1, slash - dash - 1));
    const auto size = parse_number<std::uint64_t>(text.substr(slash + 1));
    if (!first || !last || !size || *first > *last || *last >= *size) {
        return std::nullopt;
    }
    return Part{*first, *last, *size};
}

/// What If-Range may hold: a weak ETag says nothing of bytes (RFC 9110 section 13.1.5).
std::string validator_of(const FetchHead& head) {
    return !head.etag.empty() && !head.etag.starts_with("W/") ? head.etag : head.last_modified;
}

bool is_redirect(unsigned status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

bool is_passing(unsigned status) {
    constexpr std::array<unsigned, 6> passing = {408, 429, 500, 502, 503, 504};
    return std::find(passing.begin(), passing.end(), status) != passing.end();
}

} // namespace

std::string Url::authority() const {
    const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port == default_port(tls) ? name : name + ":" + std::to_string(port);
}

std::string Url::shown() const { return (tls ? "https://" : "http://") + authority() + target.substr(0, target.find('?')); }

bool is_url(std::string_view text) {
    const std::string start = to_lower(text.substr(0, std::string_view("https://").size()));
    return start.starts_with("http://") || start == "https://";
}

Result<Url> parse_url(std::string_view text) {
    if (text.size() > fetch_url_max) {
        return refused("the URL is longer than " + std::to_string(fetch_url_max) + " bytes");
    }
    const auto parsed = urls::parse_uri({text.data(), text.size()});
    return parsed ? to_url(*parsed) : Result<Url>(refused("this is no URL: " + std::string(text.substr(0, text.find('?')))));
}

std::string FetchPlan::range() const {
    return position_ == 0 || validator_.empty() ? std::string() : "bytes=" + std::to_string(position_) + "-";
}

void FetchPlan::start_over() {
    position_ = 0;
    position_before_ = 0;
    size_.reset();
    validator_.clear();
}

Result<FetchPlan::Next> FetchPlan::on_head(const FetchHead& head) {
    position_before_ = position_;
    if (is_redirect(head.status)) {
        return on_redirect(head);
    }
    if (is_passing(head.status)) {
        const auto again = on_broken("it answers " + std::to_string(head.status));
        return again ? Result<Next>(Next::wait) : again.error();
    }
    if (head.status == 416 && position_ != 0) { // the file has become shorter
        start_over();
        const auto again = on_broken("the file changes while it is fetched");
        return again ? Result<Next>(Next::ask_again) : again.error();
    }
    if (!head.content_encoding.empty() && to_lower(head.content_encoding) != "identity") {
        return failed(url_.shown() + " is sent " + head.content_encoding + "-encoded, which was not asked for");
    }
    switch (head.status) {
    case 200: return on_whole_file(head);
    case 206: return on_part(head);
    default: return failed(url_.shown() + " cannot be fetched: the server answers " + std::to_string(head.status));
    }
}

Result<FetchPlan::Next> FetchPlan::on_whole_file(const FetchHead& head) {
    if (position_ != 0 && !range().empty() && ++started_over_ > fetch_fruitless_max) {
        return failed(url_.shown() + " changes all the time while it is fetched");
    }
    start_over();
    if (head.content_length > fetch_size_max) {
        return failed(url_.shown() + " is larger than any disk image can be");
    }
    size_ = head.content_length;
    validator_ = validator_of(head);
    return Next::body;
}

Result<FetchPlan::Next> FetchPlan::on_part(const FetchHead& head) {
    const auto part = parse_content_range(head.content_range);
    if (position_ == 0 || !part || part->first != position_ || part->last + 1 != part->size || (size_ && *size_ != part->size)) {
        return failed(url_.shown() + " was answered by another part of it than was asked for");
    }
    size_ = part->size;
    return Next::body;
}

Result<FetchPlan::Next> FetchPlan::on_redirect(const FetchHead& head) {
    if (++redirects_ > fetch_redirects_max) {
        return failed(url_.shown() + ": more than " + std::to_string(fetch_redirects_max) + " redirects");
    }
    const std::string present = (url_.tls ? "https://" : "http://") + url_.authority() + url_.target;
    const auto base = urls::parse_uri(present);
    const auto reference = head.location.size() > fetch_url_max ? boost::system::result<urls::url_view>(urls::error::not_a_base)
                                                                : urls::parse_uri_reference(head.location);
    urls::url resolved;
    if (!base || !reference || !urls::resolve(*base, *reference, resolved)) {
        return failed(url_.shown() + " is redirected to something that is no URL");
    }
    auto next = to_url(resolved);
    if (!next) {
        return failed(url_.shown() + " is redirected, but " + next.error().what);
    }
    if (url_.tls && !next->tls) {
        return failed(url_.shown() + " is redirected to " + next->shown() + ", which is not protected: fetch that one if you trust the way to it");
    }
    url_ = std::move(*next);
    return Next::ask_again;
}

Result<void> FetchPlan::on_bytes(std::uint64_t count) {
    position_ += count;
    if (position_ > size_.value_or(fetch_size_max)) {
        return failed(url_.shown() + " brings more bytes than it has said");
    }
    return {};
}

Result<void> FetchPlan::on_broken(const std::string& why) {
    const bool fruitful = position_ - position_before_ >= fetch_progress_min;
    fruitless_ = fruitful ? 0 : fruitless_ + 1;
    if (position_ != 0 && range().empty()) { // nothing tells that it would be the same file
        ++started_over_;
        start_over();
    }
    position_before_ = position_;
    if (fruitless_ >= fetch_fruitless_max || started_over_ > fetch_fruitless_max) {
        return failed(url_.shown() + " cannot be fetched, also not after some attempts: " + why);
    }
    return {};
}

Result<void> FetchPlan::on_end() {
    if (!size_) {
        size_ = position_; // chunked: the last chunk has said that this is all
    }
    return is_whole() ? Result<void>() : on_broken("it ends too early");
}

} // namespace rootstock::http
