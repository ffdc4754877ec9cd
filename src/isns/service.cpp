#include "isns/service.hpp"

#include "isns/limits.hpp"
#include "net/task_group.hpp"

#include <boost/asio/write.hpp>

#include <future>

namespace rootstock::isns {

namespace {

constexpr std::size_t receive_size = 4096;

net::Tcp::endpoint endpoint_of(const IpEndpoint& server) {
    const auto& bytes = server.address.bytes;
    if (server.address.is_v6) {
        return {net::asio::ip::address_v6(bytes), server.port};
    }
    return {net::asio::ip::address_v4({bytes[0], bytes[1], bytes[2], bytes[3]}), server.port};
}

} // namespace

class Service::Edge {
  public:
    Edge(net::Runtime& runtime, Log& log, const Clock& clock, IpEndpoint server, Identity identity)
        : shard_(runtime.control()), log_(log), clock_(clock), server_(std::move(server)), registrant_(std::move(identity)), timer_(shard_.context()),
          tasks_(shard_, log) {}

    void start();
    void publish(std::vector<std::string> targets);
    void stop();

  private:
    using Socket = std::shared_ptr<net::TcpSocket>;

    void tell(const Input& input);
    void settle();
    void perform(Output output);
    net::Awaitable<> converse(Socket socket);
    net::Awaitable<> send(Socket socket, ByteVector bytes);
    net::Awaitable<> watch_time();

    net::Shard& shard_;
    Log& log_;
    const Clock& clock_;
    const IpEndpoint server_;
    Registrant registrant_;
    Socket socket_; // of the connection that counts; one that does not any more ends by itself
    net::Timer timer_;
    net::TaskGroup tasks_;
    std::promise<void> finished_;
    bool finished_told_ = false;
    bool started_ = false;
};

void Service::Edge::start() {
    started_ = true;
    shard_.call([this] { tasks_.spawn(watch_time()); });
}

void Service::Edge::publish(std::vector<std::string> targets) {
    shard_.call([&] { tell(TargetsChanged{std::move(targets)}); });
}

void Service::Edge::stop() {
    if (!std::exchange(started_, false)) {
        return;
    }
    shard_.call([this] { tell(Stop{}); });
    finished_.get_future().wait_for(farewell_time);
    tasks_.stop();
}

/// The registrant's word, and what follows from it. On the shard.
void Service::Edge::tell(const Input& input) {
    registrant_.handle_input(clock_.now(), input);
    settle();
    timer_.cancel(); // its time may be another one now
}

void Service::Edge::settle() {
    while (auto output = registrant_.poll_output()) {
        perform(std::move(*output));
    }
    if (registrant_.finished() && !std::exchange(finished_told_, true)) {
        finished_.set_value();
    }
}

void Service::Edge::perform(Output output) {
    if (std::holds_alternative<Connect>(output)) {
        socket_ = std::make_shared<net::TcpSocket>(shard_.context());
        tasks_.spawn(converse(socket_));
    } else if (auto* message = std::get_if<Send>(&output)) {
        tasks_.spawn(send(socket_, std::move(message->bytes)));
    } else if (std::holds_alternative<Disconnect>(output)) {
        boost::system::error_code ignored; // it may be gone already
        socket_->close(ignored);
        socket_.reset();
    } else if (const auto* registered = std::get_if<Registered>(&output)) {
        log_.info("isns.registered", {{"server", server_.text()}, {"targets", registered->targets}});
    } else if (const auto* failed = std::get_if<NotRegistered>(&output)) {
        log_.warning("isns.failed", {{"server", server_.text()}, {"reason", failed->reason}});
    }
}

net::Awaitable<> Service::Edge::converse(Socket socket) {
    const net::Tcp::endpoint endpoint = endpoint_of(server_);
    auto [error] = co_await socket->async_connect(endpoint, net::as_tuple_awaitable);
    if (socket == socket_) {
        tell(error ? Input(Failed{error.message()}) : Input(Connected{}));
    }
    std::array<std::uint8_t, receive_size> space{};
    while (socket == socket_) {
        auto [failure, size] = co_await socket->async_read_some(net::asio::buffer(space), net::as_tuple_awaitable);
        if (socket != socket_) {
            co_return;
        }
        tell(failure ? Input(Failed{failure.message()}) : Input(Received{Bytes(space).first(size)}));
    }
}

/// A failure to send is one to receive, too.
net::Awaitable<> Service::Edge::send(Socket socket, ByteVector bytes) {
    co_await net::asio::async_write(*socket, net::asio::buffer(bytes), net::as_tuple_awaitable);
}

net::Awaitable<> Service::Edge::watch_time() {
    while (true) {
        timer_.expires_at(registrant_.next_timeout().value_or(TimePoint::max()));
        co_await timer_.async_wait(net::as_tuple_awaitable);
        registrant_.handle_timeout(clock_.now());
        settle();
    }
}

Service::Service(net::Runtime& runtime, Log& log, const Clock& clock, IpEndpoint server, Identity identity)
    : edge_(std::make_unique<Edge>(runtime, log, clock, std::move(server), std::move(identity))) {}

Service::~Service() { stop(); }

void Service::start() { edge_->start(); }

void Service::publish(std::vector<std::string> targets) { edge_->publish(std::move(targets)); }

void Service::stop() { edge_->stop(); }

} // namespace rootstock::isns
