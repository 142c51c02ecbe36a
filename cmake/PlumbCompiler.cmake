# Compiler settings shared by every room.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Precompiled headers and ccache agree only with this sloppiness (ccache manual, "Precompiled headers").
  set(launcher ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${launcher})
endif()

set(PLUMB_SANITIZE "" CACHE STRING "address or thread")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
add_library(plumb_flags INTERFACE)
target_compile_options(plumb_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Werror;-fpch-preprocess>)
# Words of GCC that clang does not know: scripts/tidy, which does without precompiled headers, does without them too.
if(NOT CMAKE_DISABLE_PRECOMPILE_HEADERS)
  # Behind a precompiled header GCC 12 sees overruns inside std::string's own functions (GCC bugs 105329 and 105651).
  # The compiler collects its garbage (a tenth of its time) only above 1 GB.
  target_compile_options(plumb_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overflow;-Wno-stringop-overread>
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:--param ggc-min-expand=1000 --param ggc-min-heapsize=1000000>")
endif()
if(PLUMB_SANITIZE)
  target_compile_options(plumb_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${PLUMB_SANITIZE};-fno-omit-frame-pointer>)
  target_link_options(plumb_flags INTERFACE -fsanitize=${PLUMB_SANITIZE})
endif()
target_include_directories(plumb_flags INTERFACE ${CMAKE_SOURCE_DIR})
