#include "net/raw_link.hpp"

#include "core/dynamic_library.hpp"
#include "net/capabilities.hpp"
#include "net/limits.hpp"

#include <pcap/pcap.h>

namespace rootstock::net {

namespace {

/// The functions of libpcap that are used, with the types of its header.
struct PcapFunctions {
    decltype(&::pcap_create) create;
    decltype(&::pcap_set_snaplen) set_snaplen;
    decltype(&::pcap_set_immediate_mode) set_immediate_mode;
    decltype(&::pcap_activate) activate;
    decltype(&::pcap_setnonblock) setnonblock;
    decltype(&::pcap_compile) compile;
    decltype(&::pcap_setfilter) setfilter;
    decltype(&::pcap_freecode) freecode;
    decltype(&::pcap_get_selectable_fd) get_selectable_fd;
    decltype(&::pcap_next_ex) next_ex;
    decltype(&::pcap_inject) inject;
    decltype(&::pcap_geterr) geterr;
    decltype(&::pcap_close) close;
};

template <class Function> bool load(const DynamicLibrary& library, const char* name, Function*& function) {
    function = library.function<Function>(name);
    return function != nullptr;
}

Result<PcapFunctions> load_pcap() {
    auto library = DynamicLibrary::open("libpcap.so.0.8", "libpcap0.8");
    if (!library) {
        return library.error();
    }
    PcapFunctions f{};
    const bool complete = load(*library, "pcap_create", f.create) && load(*library, "pcap_set_snaplen", f.set_snaplen) &&
                          load(*library, "pcap_set_immediate_mode", f.set_immediate_mode) &&
                          load(*library, "pcap_activate", f.activate) && load(*library, "pcap_setnonblock", f.setnonblock) &&
                          load(*library, "pcap_compile", f.compile) && load(*library, "pcap_setfilter", f.setfilter) &&
                          load(*library, "pcap_freecode", f.freecode) &&
                          load(*library, "pcap_get_selectable_fd", f.get_selectable_fd) &&
                          load(*library, "pcap_next_ex", f.next_ex) && load(*library, "pcap_inject", f.inject) &&
                          load(*library, "pcap_geterr", f.geterr) && load(*library, "pcap_close", f.close);
    if (!complete) {
        return make_error(std::errc::function_not_supported, "libpcap.so.0.8 is too old: install the package libpcap0.8 of Debian 12");
    }
    return f;
}

} // namespace

struct RawLink::Pcap {
    PcapFunctions f;
    pcap_t* handle = nullptr;
    std::string interface;

    ~Pcap() {
        if (handle != nullptr) {
            f.close(handle);
        }
    }
    [[nodiscard]] Error error(const std::string& doing) const {
        return make_error(std::errc::io_error, doing + " on interface " + interface + ": " + f.geterr(handle));
    }
    /// An empty filter would see everything.
    [[nodiscard]] Result<void> filter(const std::string& text) const {
        bpf_program program{};
        if (f.compile(handle, &program, text.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
            return error("compiling the packet filter");
        }
        const int set = f.setfilter(handle, &program);
        f.freecode(&program);
        return set == 0 ? Result<void>() : error("setting the packet filter");
    }
};

RawLink::RawLink(asio::io_context& context, std::unique_ptr<Pcap> pcap, int descriptor)
    : pcap_(std::move(pcap)), descriptor_(context, descriptor) {}

RawLink::~RawLink() {
    static_cast<void>(descriptor_.release()); // pcap_close() closes it
}

Result<std::unique_ptr<RawLink>>
RawLink::open(asio::io_context& context, const std::string& interface, const std::string& filter) {
    if (auto allowed = require_raw_capability("sending raw frames on " + interface); !allowed) {
        return allowed.error();
    }
    auto functions = load_pcap();
    if (!functions) {
        return functions.error();
    }
    auto pcap = std::make_unique<Pcap>();
    pcap->f = *functions;
    pcap->interface = interface;
    std::array<char, PCAP_ERRBUF_SIZE> reason{};
    pcap->handle = pcap->f.create(interface.c_str(), reason.data());
    if (pcap->handle == nullptr) {
        return make_error(std::errc::io_error, "opening a raw link on interface " + interface + ": " + reason.data());
    }
    pcap->f.set_snaplen(pcap->handle, raw_link_snap_length);
    pcap->f.set_immediate_mode(pcap->handle, 1);
    if (pcap->f.activate(pcap->handle) < 0) { // above zero: a warning
        return pcap->error("opening a raw link");
    }
    if (auto filtered = pcap->filter(filter); !filtered) {
        return filtered.error();
    }
    const int descriptor = pcap->f.get_selectable_fd(pcap->handle);
    if (descriptor < 0 || pcap->f.setnonblock(pcap->handle, 1, reason.data()) != 0) {
        return pcap->error("making the raw link non-blocking");
    }
    return std::unique_ptr<RawLink>(new RawLink(context, std::move(pcap), descriptor));
}

Result<void> RawLink::send(Bytes frame) {
    if (pcap_->f.inject(pcap_->handle, frame.data(), frame.size()) < 0) {
        return pcap_->error("sending a frame");
    }
    return {};
}

Awaitable<boost::system::error_code> RawLink::readable() {
    auto [error] = co_await descriptor_.async_wait(Descriptor::wait_read, as_tuple_awaitable);
    co_return error;
}

std::optional<Bytes> RawLink::receive() {
    pcap_pkthdr* header = nullptr;
    const std::uint8_t* data = nullptr;
    if (pcap_->f.next_ex(pcap_->handle, &header, &data) != 1) {
        return std::nullopt;
    }
    return Bytes(data, header->caplen);
}

} // namespace rootstock::net
