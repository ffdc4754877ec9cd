#include "api/errors.hpp"

#include "core/text.hpp"

#include <array>

namespace rootstock::api {

namespace {

struct Row {
    std::errc condition;
    unsigned status;
    std::string_view code;
};

constexpr std::array rows = {
    Row{std::errc::invalid_argument, 400, "invalid"},
    Row{std::errc::argument_out_of_domain, 400, "invalid"},
    Row{std::errc::result_out_of_range, 400, "invalid"},
    Row{std::errc::filename_too_long, 400, "invalid"},
    Row{std::errc::not_supported, 400, "invalid"},
    Row{std::errc::is_a_directory, 400, "invalid"},
    Row{std::errc::permission_denied, 400, "invalid"}, // of a file that the request named
    Row{std::errc::no_such_file_or_directory, 404, "not_found"},
    Row{std::errc::file_exists, 409, "conflict"},
    Row{std::errc::address_in_use, 409, "conflict"},
    Row{std::errc::device_or_resource_busy, 409, "conflict"},
    Row{std::errc::text_file_busy, 409, "conflict"},
    Row{std::errc::operation_not_permitted, 409, "conflict"},
    Row{std::errc::operation_in_progress, 409, "conflict"},
    Row{std::errc::resource_unavailable_try_again, 503, "busy"},
    Row{std::errc::no_space_on_device, 507, "no_space"},
};

Row row_of(const Error& error) {
    for (const Row& row : rows) {
        if (error.code == row.condition) {
            return row;
        }
    }
    return {std::errc::io_error, 500, "internal"};
}

} // namespace

http::Response error_answer(const Error& error) {
    const Row row = row_of(error);
    const std::string_view what = error.what;
    std::size_t end = what.find("; ");
    if (end == std::string_view::npos) {
        end = what.find(". ");
    }
    return http::error_response(row.status,
                                row.code,
                                what.substr(0, end),
                                end == std::string_view::npos ? "" : what.substr(end + 2));
}

std::string error_line(const Error& error) {
    return error_answer(error).text;
}

http::Response not_found(std::string_view what, std::string_view name) {
    return http::error_response(
        404, "not_found", "there is no " + std::string(what) + " " + std::string(name));
}

} // namespace rootstock::api
