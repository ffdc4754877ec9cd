// /api/v1/store
#include "api/errors.hpp"
#include "api/routes.hpp"

#include <boost/json/serialize.hpp>

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using http::Runs;

json::object finding_json(const images::StoreFinding& finding) {
    return {{"kind", finding.kind},
            {"where", finding.where},
            {"what", finding.what},
            {"remedy", finding.remedy},
            {"mended", finding.mended}};
}

json::object report_json(const images::StoreReport& report) {
    json::array findings;
    for (const images::StoreFinding& finding : report.findings) {
        findings.push_back(finding_json(finding));
    }
    return {{"ok", report.ok()},
            {"layers", report.layers},
            {"overlays", report.overlays},
            {"volumes", report.volumes},
            {"in_use", report.in_use},
            {"longest_chain", report.longest_chain},
            {"findings", std::move(findings)}};
}

/// The database comes first: what the rest is compared with.
std::string run_check(const Api& api,
                      const images::StoreCheckOptions& options,
                      const ProgressStream::Tell& tell) {
    const auto problems = api.parts.check_database();
    if (!problems) {
        return error_line(problems.error());
    }
    auto report = api.parts.store.check(options, [&](std::uint64_t done, std::uint64_t total) {
        return tell({{"done_bytes", done}, {"total_bytes", total}, {"stored_bytes", 0}});
    });
    if (!report) {
        return error_line(report.error());
    }
    for (const std::string& problem : *problems) {
        report->findings.push_back(
            {"database", "rootstock.db", problem, "stop the server and restore a copy of it", false});
    }
    api.parts.log.info("api.store.checked",
                       {{"findings", report->findings.size()}, {"ok", report->ok()}});
    return json::serialize(json::object{{"report", report_json(*report)}}) + "\n";
}

Response check(const SharedApi& api, const Request& request) {
    const auto body = read_body(request, {"deep", "repair"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto deep = truth_of(*body, "deep");
    const auto repair = truth_of(*body, "repair");
    if (!deep || !repair) {
        return error_answer(!deep ? deep.error() : repair.error());
    }
    Response response = http::text_response(200, "application/x-ndjson", {});
    const images::StoreCheckOptions options{deep->value_or(false), repair->value_or(false)};
    response.stream = std::make_shared<ProgressStream>(
        [api, options](const ProgressStream::Tell& tell) { return run_check(*api, options, tell); });
    return response;
}

} // namespace

void add_store(http::Router& router, const SharedApi& api) {
    router.add(Method::post, "/api/v1/store/check", Runs::in_offload, [api](const Request& request) {
        return check(api, request);
    });
}

} // namespace rootstock::api
