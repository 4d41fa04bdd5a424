# SPDX-License-Identifier: Apache-2.0
# Included before project(), which needs a compiler and the generator's program: where one is missing,
# says which packages to install instead of letting CMake fail.

find_program(PLANISH_CXX NAMES c++ g++ clang++)
mark_as_advanced(PLANISH_CXX)
set(planish_tools_found TRUE)
if(NOT PLANISH_CXX AND NOT CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX})
  set(planish_tools_found FALSE)
endif()
if(CMAKE_GENERATOR MATCHES "Ninja" AND NOT CMAKE_MAKE_PROGRAM)
  find_program(PLANISH_NINJA NAMES ninja ninja-build)
  mark_as_advanced(PLANISH_NINJA)
  if(NOT PLANISH_NINJA)
    set(planish_tools_found FALSE)
  endif()
endif()
if(NOT planish_tools_found)
  file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../tools/packages.txt planish_packages REGEX "^[a-z]")
  list(JOIN planish_packages " " planish_packages)
  message(FATAL_ERROR "A compiler or Ninja is missing. Run tools/setup as root, or:\n"
                      "  apt-get install -y ${planish_packages}\n")
endif()
