# Warnings are errors; sanitizers by preset; ccache and lld when they are there.
add_library(rs_options INTERFACE)
target_compile_options(rs_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:SHELL:
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Woverloaded-virtual
    -Wnon-virtual-dtor -Wformat=2 -Wduplicated-cond -Wlogical-op -Werror>")
target_include_directories(rs_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(rs_options INTERFACE _FILE_OFFSET_BITS=64)

set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1") # with sanitizers -O1 takes twice as long to compile; folders.cmake picks what needs it

if(ROOTSTOCK_SANITIZE STREQUAL "address")
    # GCC 12 sees uninitialised reads in moved results once sanitizers instrument them; the release build still looks for real ones.
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-maybe-uninitialized)
    add_link_options(-fsanitize=address,undefined)
    add_compile_definitions(ROOTSTOCK_SANITIZED)
elseif(ROOTSTOCK_SANITIZE STREQUAL "thread")
    # GCC's TSan does not model fences, so Asio must not use them.
    add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -Wno-maybe-uninitialized)
    add_link_options(-fsanitize=thread)
    add_compile_definitions(ROOTSTOCK_SANITIZED BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()

find_program(CCACHE ccache)
if(CCACHE)
    # Checkouts in different places share what they compile.
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
endif()
find_program(LLD ld.lld)
if(LLD)
    add_link_options(-fuse-ld=lld)
endif()
