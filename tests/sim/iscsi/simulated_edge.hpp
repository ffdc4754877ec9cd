// The edge for several connections at once, without sockets: registry, jobs that end in any order, bytes in random pieces. What Driver does,
// in the hands of a seed.
#pragma once

#include "core/crc32c.hpp"
#include "support/catch.hpp"
#include "support/fixed_targets.hpp"
#include "support/iscsi_pdus.hpp"

#include "iscsi/connection.hpp"

#include <functional>
#include <list>

namespace rootstock::test {

/// One TCP connection.
struct Link {
    std::unique_ptr<iscsi::Connection> connection;
    iscsi::SessionRegistry::Admission admission;
    std::optional<iscsi::OpenRequest> opening;
    std::shared_ptr<iscsi::SessionCounters> counters;
    std::vector<iscsi::IoJob*> jobs;
    ByteVector received;             // by the initiator, not yet taken
    bool ready = false;              // no older session is left
    bool in_use = true;              // its initiator has not given it up
    std::function<void()> when_gone; // its last job is back
};

class SimulatedEdge {
  public:
    explicit SimulatedEdge(Random& random) : random_(random) {}

    Link& connect() {
        Link& link = links_.emplace_back();
        link.connection = std::make_unique<iscsi::Connection>(
            iscsi::Connection::Environment{targets, registry, pool_, random_, limits_, portals_},
            iscsi::Login::Portal{"10.0.0.9", portals_[0], 1}, clock_.now());
        return link;
    }
    /// Feeds `bytes` in random pieces.
    void send(Link& link, Bytes bytes) {
        while (!bytes.empty() && link.connection->wants_input()) {
            const std::size_t piece = std::min<std::size_t>(bytes.size(), 1 + pick(pick(4) == 0 ? 64 : 6000));
            std::size_t taken = 0;
            for (const MutableBytes window : link.connection->rx_windows()) {
                const std::size_t size = std::min(window.size(), piece - taken);
                std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(taken), size, window.begin());
                taken += size;
            }
            link.connection->rx_commit(clock_.now(), taken);
            bytes = bytes.subspan(taken);
            pump();
        }
    }
    /// The PDUs that have come whole; checks their digests. Login Responses have none.
    static std::vector<SentPdu> take(Link& link, bool header_digest, bool data_digest) {
        std::vector<SentPdu> pdus;
        std::size_t at = 0;
        const Bytes bytes = link.received;
        while (bytes.size() - at >= iscsi::bhs_size) {
            SentPdu pdu;
            pdu.header = from_bytes<iscsi::BasicHeader>(bytes.subspan(at));
            const bool digests = pdu.opcode() != iscsi::Opcode::login_response;
            const std::size_t length = pdu.header.data_segment_length;
            const std::size_t padded = (length + 3) / 4 * 4;
            const std::size_t head = iscsi::bhs_size + (digests && header_digest ? 4 : 0);
            const std::size_t tail = digests && data_digest && length > 0 ? 4 : 0;
            if (bytes.size() - at < head + padded + tail) {
                break;
            }
            const Bytes data = bytes.subspan(at + head, padded);
            REQUIRE((head == iscsi::bhs_size ||
                     from_bytes<le32>(bytes.subspan(at + iscsi::bhs_size)) == crc32c(bytes.subspan(at, iscsi::bhs_size))));
            REQUIRE((tail == 0 || from_bytes<le32>(bytes.subspan(at + head + padded)) == crc32c(data)));
            pdu.data.assign(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(length));
            at += head + padded + tail;
            pdus.push_back(std::move(pdu));
        }
        link.received.erase(link.received.begin(), link.received.begin() + static_cast<std::ptrdiff_t>(at));
        return pdus;
    }

    /// What follows from what has happened, until nothing does; links that are over are gone then.
    void pump() {
        for (bool busy = true; busy;) {
            busy = false;
            for (auto link = links_.begin(); link != links_.end();) {
                busy |= pump(*link);
                link = is_gone(*link) ? links_.erase(link) : std::next(link);
            }
        }
    }
    /// Runs one of the jobs that are out. False: none is.
    bool run_some_job() {
        std::vector<Link*> busy;
        for (Link& link : links_) {
            if (!link.jobs.empty()) {
                busy.push_back(&link);
            }
        }
        if (busy.empty()) {
            return false;
        }
        Link& link = *busy[pick(static_cast<unsigned>(busy.size()))];
        const auto chosen = link.jobs.begin() + pick(static_cast<unsigned>(link.jobs.size()));
        iscsi::IoJob* const job = *chosen;
        link.jobs.erase(chosen);
        job->run();
        link.connection->job_finished(*job);
        pump();
        return true;
    }
    [[nodiscard]] bool empty() const { return links_.empty(); }

    FixedTargets targets;
    iscsi::SessionRegistry registry;

  private:
    using Phase = iscsi::Connection::Phase;

    unsigned pick(unsigned count) { return random_.u32() % count; }

    bool pump(Link& link) {
        bool busy = false;
        if (auto request = link.connection->poll_open()) {
            link.opening = std::move(request);
            link.counters = std::make_shared<iscsi::SessionCounters>();
            link.admission = registry.admit(
                link.opening->request, link.counters, clock_.wall(),
                [this, &link](iscsi::EndReason reason) { link.connection->end(clock_.now(), reason); }, [&link] { link.ready = true; });
            busy = true;
        }
        if (link.opening && link.ready && link.connection->phase() != Phase::over) {
            auto target = targets.open(link.opening->request, {});
            link.opening.reset();
            link.connection->opened(clock_.now(), std::move(target), link.admission, link.counters);
            busy = true;
        }
        while (iscsi::IoJob* job = link.connection->poll_job()) {
            link.jobs.push_back(job);
        }
        return drain(link) || busy;
    }
    bool drain(Link& link) {
        bool busy = false;
        while (!link.connection->output().empty() && link.connection->phase() != Phase::over) {
            std::array<iovec, 64> pieces{};
            const std::size_t count = link.connection->output().gather(pieces, 1 + pick(20'000));
            std::size_t size = 0;
            for (std::size_t i = 0; i < count; ++i) {
                const auto* start = static_cast<const std::uint8_t*>(pieces[i].iov_base);
                link.received.insert(link.received.end(), start, start + pieces[i].iov_len);
                size += pieces[i].iov_len;
            }
            link.connection->sent(clock_.now(), size);
            busy = true;
        }
        return busy;
    }
    bool is_gone(Link& link) {
        if (link.in_use || link.connection->phase() != Phase::over || link.connection->jobs_out()) {
            return false;
        }
        if (link.when_gone) {
            link.when_gone();
        }
        link.connection->release_session();
        registry.remove(link.admission.id);
        return true;
    }

    Random& random_;
    ManualClock clock_;
    BufferPool pool_;
    iscsi::Limits limits_;
    std::vector<std::string> portals_{"10.0.0.1:3260"};
    std::list<Link> links_;
};

} // namespace rootstock::test
