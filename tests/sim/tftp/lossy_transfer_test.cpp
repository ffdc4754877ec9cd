// A transfer over a network that loses, repeats, delays and reorders, in virtual time. The seed is printed with a failure.
#include "core/wire_int.hpp"
#include "support/catch.hpp"
#include "tftp/limits.hpp"
#include "tftp/transfer.hpp"

#include <queue>
#include <random>

using namespace rootstock;
using namespace rootstock::tftp;
using namespace std::chrono_literals;

namespace {

struct Weather {
    unsigned loss_percent;
    unsigned repeat_percent;
    unsigned reorder_percent;
};

struct InFlight {
    TimePoint arrival;
    std::uint64_t order;
    bool to_client;
    ByteVector packet;
    bool operator>(const InFlight& other) const { return std::tie(arrival, order) > std::tie(other.arrival, other.order); }
};

/// A receiver by RFC 1350 and RFC 7440, written apart from the sender: takes blocks in order, acknowledges whole windows, gaps and
/// repeated blocks, and repeats its last word when nothing comes.
class Receiver {
  public:
    Receiver(std::size_t block_size, std::uint32_t window, bool options) : block_size_(block_size), window_(window), started_(!options) {}

    std::optional<ByteVector> handle(Bytes packet) {
        const auto opcode = from_bytes<be16>(packet).value();
        if (opcode == 6) {
            started_ = true;
            return received_ == 0 ? std::optional(ack()) : std::nullopt;
        }
        const auto number = from_bytes<be16>(packet.subspan(2)).value();
        if (!started_ || done_) {
            return done_ ? std::optional(ack()) : std::nullopt;
        }
        if (number != ((received_ + 1) & 0xffff)) {
            unacknowledged_ = 0;
            return ack(); // a gap, or a block once more: this is how far we are
        }
        ++received_;
        file.insert(file.end(), packet.begin() + 4, packet.end());
        done_ = packet.size() - 4 < block_size_;
        if (++unacknowledged_ < window_ && !done_) {
            return std::nullopt;
        }
        unacknowledged_ = 0;
        return ack();
    }
    [[nodiscard]] ByteVector ack() const {
        return {0, 4, static_cast<std::uint8_t>(received_ >> 8U), static_cast<std::uint8_t>(received_)};
    }
    [[nodiscard]] bool done() const { return done_; }
    [[nodiscard]] bool started() const { return started_; }

    ByteVector file;

  private:
    std::size_t block_size_;
    std::uint32_t window_;
    bool started_;
    bool done_ = false;
    std::uint64_t received_ = 0;
    std::uint32_t unacknowledged_ = 0;
};

class Network {
  public:
    Network(std::uint64_t seed, Weather weather) : random_(seed), weather_(weather) {}

    void send(TimePoint now, bool to_client, const ByteVector& packet) {
        if (chance(weather_.loss_percent)) {
            return;
        }
        const int copies = chance(weather_.repeat_percent) ? 2 : 1;
        for (int copy = 0; copy < copies; ++copy) {
            const auto delay = 200us + (chance(weather_.reorder_percent) ? std::chrono::microseconds(random_() % 5000) : 0us);
            flying_.push({now + delay, ++order_, to_client, packet});
        }
    }
    [[nodiscard]] std::optional<TimePoint> next() const { return flying_.empty() ? std::nullopt : std::optional(flying_.top().arrival); }
    InFlight take() {
        InFlight packet = flying_.top();
        flying_.pop();
        return packet;
    }

  private:
    bool chance(unsigned percent) { return random_() % 100 < percent; }
    std::mt19937_64 random_;
    Weather weather_;
    std::uint64_t order_ = 0;
    std::priority_queue<InFlight, std::vector<InFlight>, std::greater<>> flying_;
};

struct Outcome {
    bool complete = false;
    std::uint64_t blocks_sent = 0;
};

Outcome run(const ByteVector& file, const OptionList& requested, std::uint64_t seed, Weather weather) {
    const Negotiated options = negotiate(requested, file.size());
    TimePoint now{1h};
    Network network(seed, weather);
    Transfer transfer(now, File{file, nullptr}, options);
    Receiver receiver(options.block_size, options.window_size, !options.accepted.empty());
    TimePoint client_timer = now + 1s;
    std::ptrdiff_t checked = 0;
    while (!transfer.is_over()) {
        while (const auto packet = transfer.poll_output()) {
            ByteVector bytes(packet->head.begin(), packet->head.begin() + packet->head_size);
            bytes.insert(bytes.end(), packet->body.begin(), packet->body.end());
            network.send(now, true, bytes);
        }
        now = std::min({network.next().value_or(TimePoint::max()), *transfer.next_timeout(), client_timer});
        if (network.next() == now) {
            const InFlight arrived = network.take();
            if (!arrived.to_client) {
                transfer.handle_input(now, arrived.packet);
            } else if (const auto answer = receiver.handle(arrived.packet)) {
                network.send(now, false, *answer);
                client_timer = now + 1s;
            }
        } else if (now == client_timer) {
            if (receiver.started()) {
                network.send(now, false, receiver.ack());
            }
            client_timer = now + 1s;
        } else {
            transfer.handle_timeout(now);
        }
        // Nothing wrong is ever delivered: what came since the last step is the file's.
        REQUIRE(std::equal(receiver.file.begin() + checked, receiver.file.end(), file.begin() + checked));
        checked = static_cast<std::ptrdiff_t>(receiver.file.size());
    }
    return {receiver.done() && receiver.file == file, transfer.statistics().blocks_sent};
}

ByteVector random_file(std::uint64_t seed, std::size_t size) {
    std::mt19937_64 random(seed);
    ByteVector file(size);
    for (auto& byte : file) {
        byte = static_cast<std::uint8_t>(random());
    }
    return file;
}

const std::vector<OptionList> dialects{{}, {{"blksize", "1432"}, {"tsize", "0"}}, {{"blksize", "1468"}, {"windowsize", "4"}}, {{"windowsize", "16"}}};

} // namespace

TEST_CASE("Sim: a file arrives whole through loss, repetition and reordering", "[sim][tftp]") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        const auto file = random_file(seed, static_cast<std::size_t>(seed * 977 % 60'000));
        const OptionList& options = dialects[seed % dialects.size()];
        CAPTURE(seed);
        CHECK(run(file, options, seed, {5, 3, 10}).complete);
    }
}

TEST_CASE("Sim: on a clean network each block is sent once", "[sim][tftp]") {
    for (const OptionList& options : dialects) {
        const auto file = random_file(7, 100'000);
        const auto outcome = run(file, options, 1, {0, 0, 0});
        CHECK(outcome.complete);
        CHECK(outcome.blocks_sent == file.size() / negotiate(options, 0).block_size + 1);
    }
}

TEST_CASE("Sim: repeated packets never multiply (Sorcerer's Apprentice)", "[sim][tftp]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto file = random_file(seed, 100'000);
        CAPTURE(seed);
        const auto outcome = run(file, {}, seed, {0, 100, 0}); // every packet twice
        CHECK(outcome.complete);
        CHECK(outcome.blocks_sent == file.size() / 512 + 1);
    }
}

TEST_CASE("Sim: the block number rolls over in bad weather as well", "[sim][tftp]") {
    const auto file = random_file(3, 8 * 66'000);
    CHECK(run(file, {{"blksize", "8"}, {"windowsize", "16"}}, 3, {1, 1, 1}).complete);
}
