// RequestReader: bytes of a connection in, one Request after the other out (RFC 9110, 9112), within
// limits.hpp. Sans I/O; Boost.Beast parses. One owner, no thread.
#pragma once

#include "http/message.hpp"

#include <variant>

namespace rootstock::http {

class RequestReader {
  public:
    RequestReader();
    ~RequestReader();

    enum class Status : std::uint8_t {
        need_more,
        ready,  // take() it
        failed, // refusal() and close
    };
    /// Where to receive to; never empty.
    [[nodiscard]] MutableBytes window();
    /// `count` bytes were received there.
    [[nodiscard]] Status commit(std::size_t count);
    /// What is left of the bytes received for the last request: perhaps a whole next one.
    [[nodiscard]] Status resume();

    /// A part of a request is here.
    [[nodiscard]] bool in_request() const;
    /// The header is here, the body is not, and the client waits for "100 Continue". True once.
    [[nodiscard]] bool wants_continue();

    struct Taken {
        Request request; // without remote_address and local
        bool keep_alive = false;
        unsigned version = 11;
    };
    /// Or why it cannot be answered: a malformed target, no Host.
    [[nodiscard]] std::variant<Taken, Response> take();
    [[nodiscard]] const Response& refusal() const { return refusal_; }

  private:
    [[nodiscard]] Status parse();

    struct Parser;
    std::unique_ptr<Parser> parser_;
    std::string buffer_;
    std::size_t used_ = 0; // of buffer_
    bool continued_ = false;
    Response refusal_;
};

} // namespace rootstock::http
