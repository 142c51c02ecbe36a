# Arrow, Parquet and Arrow's S3 file system out of the pyarrow wheel (scripts/versions.env pins it), or from
# PLUMB_ARROW=DIR: a folder with include/arrow, libarrow.so.N, libparquet.so.N and libarrow_s3.so.N. Without it everything
# else builds the same, and Parquet files and s3:// paths are refused with a hint.
set(PLUMB_ARROW "$ENV{PLUMB_ARROW}" CACHE PATH "folder of the pyarrow wheel, OFF, or empty to look in .venv")
set(arrow_folder "${PLUMB_ARROW}")
if("${arrow_folder}" STREQUAL "")
  file(GLOB candidates ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/pyarrow)
  if(candidates)
    list(GET candidates 0 arrow_folder)
  endif()
endif()

set(PLUMB_HAS_ARROW OFF)
if(arrow_folder AND EXISTS ${arrow_folder}/include/arrow/filesystem/s3fs.h)
  set(PLUMB_HAS_ARROW ON)
  set(PLUMB_ARROW_INCLUDE ${arrow_folder}/include)
  set(PLUMB_ARROW_LIBRARIES)
  foreach(name arrow parquet arrow_s3)
    file(GLOB found ${arrow_folder}/lib${name}.so.[0-9]*)
    if(NOT found)
      message(FATAL_ERROR "${arrow_folder} has no lib${name}.so\nhint: the pyarrow wheel of scripts/versions.env has it; "
                          "-DPLUMB_ARROW=OFF builds without Parquet and object stores")
    endif()
    list(SORT found)
    list(GET found 0 file)
    list(APPEND PLUMB_ARROW_LIBRARIES ${file})
  endforeach()
  message(STATUS "Arrow: ${arrow_folder}")
else()
  message(STATUS "Arrow: not built (no pyarrow wheel); Parquet files and s3:// paths are refused, everything else works")
endif()


# plumb_arrow_module(TARGET): libTARGET.so from the *_arrow.cpp of the calling folder's tree. A library of its own, loaded
# at run time with symbols of its own, because the wheel's libraries export an OpenSSL and a simdjson (data/arrow/module.h).
# It links nothing else of plumb but errors, and nobody else sees Arrow's headers.
function(plumb_arrow_module target)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_arrow.cpp)
  list(FILTER sources EXCLUDE REGEX "/no_arrow\\.cpp$")
  add_library(${target} MODULE ${sources} ${CMAKE_SOURCE_DIR}/core/error.cpp)
  plumb_see_arrow(${target})
  target_link_options(${target} PRIVATE -Wl,--exclude-libs,ALL)
  install(TARGETS ${target} LIBRARY DESTINATION lib/plumb)
endfunction()

function(plumb_see_arrow target)
  # Last of all folders, like LibTorch's headers.
  target_compile_options(${target} PRIVATE "SHELL:-idirafter ${PLUMB_ARROW_INCLUDE}")
  target_link_libraries(${target} PRIVATE plumb_flags nlohmann_json::nlohmann_json ${PLUMB_ARROW_LIBRARIES})
  get_filename_component(folder ${PLUMB_ARROW_INCLUDE} DIRECTORY)
  set_target_properties(${target} PROPERTIES BUILD_RPATH ${folder} INSTALL_RPATH ${folder})
endfunction()
