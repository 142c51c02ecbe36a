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
target_compile_options(plumb_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Werror;-fpch-preprocess>)
if(PLUMB_SANITIZE)
  target_compile_options(plumb_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${PLUMB_SANITIZE};-fno-omit-frame-pointer>)
  target_link_options(plumb_flags INTERFACE -fsanitize=${PLUMB_SANITIZE})
endif()
target_include_directories(plumb_flags INTERFACE ${CMAKE_SOURCE_DIR})
