// Fetch: getting one large file by HTTP(S) over connections that may break: what to ask for next, and what an answer's head means (RFC 9110 sections 13.1.5,
// 14.2 and 15.4: conditional ranges, redirects). Pure; fetch_service does it.
//
//   ask for all of it -> 200, its size and validator -> bytes ... -> broken -> ask for the rest, if it is still the same file -> 206 -> ... -> whole
//                                                                       another file by now: 200, from the beginning
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rootstock::http {

inline constexpr std::size_t fetch_url_max = 4096;          // bytes
inline constexpr unsigned fetch_redirects_max = 10;
inline constexpr unsigned fetch_fruitless_max = 5;          // attempts in a row that bring next to nothing
inline constexpr std::uint64_t fetch_progress_min = 65536;  // bytes; fewer count as next to nothing
inline constexpr std::uint64_t fetch_size_max = std::uint64_t{64} << 40U;

struct Url {
    bool tls = false;
    std::string host;   // without brackets
    std::uint16_t port = 80;
    std::string target; // path and query, percent-encoded
    /// With brackets around an IPv6 address, and the port if it is not the scheme's: the Host field.
    [[nodiscard]] std::string authority() const;
    /// Without the query, where passwords may be: for people and logs.
    [[nodiscard]] std::string shown() const;
    bool operator==(const Url&) const = default;
};

/// "http://..." or "https://...": whether it is meant as a URL at all.
[[nodiscard]] bool is_url(std::string_view text);
/// One sentence says what is wrong: no such scheme, a user or password in it, no host, too long.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

/// Of an answer's head; an absent field is empty.
struct FetchHead {
    unsigned status = 0;
    std::optional<std::uint64_t> content_length;
    std::string etag;
    std::string last_modified;
    std::string content_range;
    std::string content_encoding;
    std::string location;
};

class FetchPlan {
  public:
    explicit FetchPlan(Url url) : url_(std::move(url)) {}

    [[nodiscard]] const Url& url() const { return url_; }
    /// Where the next byte belongs.
    [[nodiscard]] std::uint64_t position() const { return position_; }
    [[nodiscard]] std::optional<std::uint64_t> size() const { return size_; }

    /// Of the next request; empty: without that field.
    [[nodiscard]] std::string range() const;
    [[nodiscard]] std::string if_range() const { return range().empty() ? std::string() : validator_; }

    enum class Next : std::uint8_t {
        body,      // its bytes belong at position(), which may have gone back to 0: then what there was is to be thrown away
        ask_again, // another address, or the same one from the beginning
        wait,      // the server is busy: after a while
    };
    /// An error is final.
    [[nodiscard]] Result<Next> on_head(const FetchHead& head);
    [[nodiscard]] Result<void> on_bytes(std::uint64_t count);
    [[nodiscard]] bool is_whole() const { return size_ == position_; }
    /// The connection is gone, or none came about, `why`. An error: it is no use to try again.
    [[nodiscard]] Result<void> on_broken(const std::string& why);
    /// The body has ended as HTTP has it; what it did not bring is asked for again.
    [[nodiscard]] Result<void> on_end();
    /// How many attempts in a row brought next to nothing: the longer the wait for the next.
    [[nodiscard]] unsigned fruitless() const { return fruitless_; }

  private:
    [[nodiscard]] Result<Next> on_whole_file(const FetchHead& head);
    [[nodiscard]] Result<Next> on_part(const FetchHead& head);
    [[nodiscard]] Result<Next> on_redirect(const FetchHead& head);
    void start_over();

    Url url_;
    std::uint64_t position_ = 0;
    std::optional<std::uint64_t> size_;
    std::string validator_; // a strong ETag, or the date of the last change
    unsigned redirects_ = 0;
    unsigned fruitless_ = 0;
    unsigned started_over_ = 0;
    std::uint64_t position_before_ = 0; // at the start of this attempt
};

} // namespace rootstock::http
