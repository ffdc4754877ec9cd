# Everything comes from Debian 12. Static where Debian ships archives; libpcap and ISA-L are loaded at run time
# (core/dynamic_library), so that a machine without them gets a sentence that names the package.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_library(RS_BOOST_JSON libboost_json.a REQUIRED)
find_library(RS_BOOST_URL libboost_url.a REQUIRED)
find_library(RS_CRYPTO libcrypto.a REQUIRED)
find_library(RS_SSL libssl.a REQUIRED)
find_library(RS_SQLITE libsqlite3.a REQUIRED)

add_library(rs_crypto INTERFACE)
target_link_libraries(rs_crypto INTERFACE ${RS_CRYPTO} Threads::Threads ${CMAKE_DL_LIBS})
target_include_directories(rs_crypto SYSTEM INTERFACE ${Boost_INCLUDE_DIRS})
target_compile_definitions(rs_crypto INTERFACE FMT_HEADER_ONLY BOOST_SYSTEM_NO_LIB BOOST_ERROR_CODE_HEADER_ONLY)

add_library(rs_asio INTERFACE)  # compiled once, in net/asio_impl.cpp and http/beast_impl.cpp
target_compile_definitions(rs_asio INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
    BOOST_BEAST_SEPARATE_COMPILATION)
target_link_libraries(rs_asio INTERFACE Threads::Threads)
# GCC 12 takes Asio's recycled coroutine frames for a mismatch once it inlines them (seen with the sanitizers).
target_compile_options(rs_asio INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>)

add_library(rs_tls INTERFACE)
target_link_libraries(rs_tls INTERFACE ${RS_SSL} rs_crypto)

add_library(rs_url INTERFACE)
target_link_libraries(rs_url INTERFACE ${RS_BOOST_URL})

add_library(rs_json INTERFACE)
target_link_libraries(rs_json INTERFACE ${RS_BOOST_JSON} rs_url)

add_library(rs_sqlite INTERFACE)
target_link_libraries(rs_sqlite INTERFACE ${RS_SQLITE} Threads::Threads ${CMAKE_DL_LIBS} m)

add_library(rs_toml INTERFACE)  # header-only in the one file that includes it
add_library(rs_cli INTERFACE)   # CLI11 is header-only
