// The coroutine form of Offload: `auto result = co_await offload_async(offload, context, std::move(work));`.
// A cancelled coroutine is resumed only after the work has ended, so the work may refer to the coroutine's frame.
#pragma once

#include "net/asio.hpp"
#include "net/offload.hpp"

#include <boost/asio/async_result.hpp>

#include <optional>

namespace rootstock::net {

/// Runs `work` (not returning void) on an offload thread. Nothing: the queue was full and `work` was not called.
/// `home` is the context that the awaiting coroutine runs on.
template <class Work>
[[nodiscard]] Awaitable<std::optional<std::invoke_result_t<Work&>>>
offload_async(Offload& offload, asio::io_context& home, Work work) {
    using Value = std::optional<std::invoke_result_t<Work&>>;
    auto initiate = [&offload, &home](auto handler, Work call) {
        // Shared, so that the handler is still there when the queue refuses.
        auto resume = std::make_shared<decltype(handler)>(std::move(handler));
        auto done = [resume](auto value) { std::move (*resume)(Value(std::move(value))); };
        if (!offload.run(home, std::move(call), std::move(done))) {
            asio::post(home, [resume] { std::move (*resume)(Value()); });
        }
    };
    asio::use_awaitable_t<Executor> token;
    co_return co_await asio::async_initiate<asio::use_awaitable_t<Executor>, void(Value)>(
        std::move(initiate), token, std::move(work));
}

} // namespace rootstock::net
