#include "http/limits.hpp"
#include "http/range.hpp"
#include "http/request_reader.hpp"
#include "support/catch.hpp"
#include "support/fuzz.hpp"

using namespace rootstock;
using namespace rootstock::http;

namespace {

ByteVector bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

} // namespace

TEST_CASE("Mutated requests never crash the reader, and it never keeps more than its limits",
          "[fuzz][http]") {
    const test::Corpus corpus = {
        bytes_of("GET /boot.ipxe?mac=52%3A54%3A00%3aaa%3A00%3A07&wait=1 HTTP/1.1\r\nHost: "
                 "10.20.0.1:8080\r\nUser-Agent: iPXE/1.0.0\r\nConnection: keep-alive\r\n\r\n"),
        bytes_of("HEAD /loaders/snponly.efi HTTP/1.1\r\nHost: 10.20.0.1\r\nUser-Agent: "
                 "UefiHttpBoot/1.0\r\nRange: bytes=0-99\r\n\r\n"),
        bytes_of("POST /api/v1/machines HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                 "application/json\r\nContent-Length: 14\r\n\r\n{\"name\":\"a-b\"}"),
        bytes_of("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n5;a=b\r\nabcde\r\n0\r\nTrailer: 1\r\n\r\n"),
        bytes_of("GET http://h/a HTTP/1.0\r\nIf-None-Match: W/\"a\", *\r\nExpect: "
                 "100-continue\r\nContent-Length: 0\r\n\r\n"),
    };
    test::fuzz(corpus, 30'000, [](Bytes input) {
        RequestReader reader;
        auto status = RequestReader::Status::need_more;
        while (!input.empty() && status != RequestReader::Status::failed) {
            const MutableBytes window = reader.window();
            const std::size_t count = std::min(input.size(), window.size());
            std::copy_n(input.begin(), count, window.begin());
            input = input.subspan(count);
            status = reader.commit(count);
            while (status == RequestReader::Status::ready) {
                const auto taken = reader.take();
                if (const auto* request = std::get_if<RequestReader::Taken>(&taken)) {
                    CHECK(request->request.body.size() <= body_bytes_max);
                    CHECK(request->request.query.size() <= query_values_max);
                    Response response = text_response(200, "text/plain", "0123456789");
                    apply_conditions(request->request, response);
                    CHECK(response.text.size() <= 10);
                }
                status = reader.resume();
            }
        }
    });
}
