# LibTorch from the PyPI wheel (scripts/versions.env pins it), or from LIBTORCH=DIR.
set(PLUMB_LIBTORCH "$ENV{LIBTORCH}" CACHE PATH "folder with include/ and lib/ of LibTorch")
if(NOT PLUMB_LIBTORCH)
  file(GLOB candidates ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  list(GET candidates 0 PLUMB_LIBTORCH)
endif()
if(NOT EXISTS ${PLUMB_LIBTORCH}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch not found (looked in '${PLUMB_LIBTORCH}').\n"
                      "hint: run scripts/setup, or set LIBTORCH=DIR to a folder with lib/libtorch_cpu.so")
endif()
message(STATUS "LibTorch: ${PLUMB_LIBTORCH}")

function(plumb_torch_library target file)
  add_library(${target} SHARED IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${PLUMB_LIBTORCH}/lib/${file})
  # Last of all folders: the wheel ships its own fmt, nlohmann and protobuf headers, which must not shadow the system's.
  target_compile_options(${target} INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${PLUMB_LIBTORCH}/include -idirafter ${PLUMB_LIBTORCH}/include/torch/csrc/api/include>")
endfunction()
plumb_torch_library(torch::c10 libc10.so)
plumb_torch_library(torch::cpu libtorch_cpu.so)
target_link_libraries(torch::cpu INTERFACE torch::c10)
# The wheel's libraries find CUDA through their own RPATH; the CPU library needs libcudart and libcupti, which stand
# beside torch in the environment.
set(CMAKE_BUILD_RPATH ${PLUMB_LIBTORCH}/lib)
set(CMAKE_INSTALL_RPATH ${PLUMB_LIBTORCH}/lib)
target_link_options(torch::cpu INTERFACE -Wl,--allow-shlib-undefined)
