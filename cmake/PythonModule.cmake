# SPDX-License-Identifier: Apache-2.0
# The extension planish._planish from python/*.cc; the pure-Python package lies in python/planish.

file(GLOB python_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/python/*.cc)
if(NOT python_sources)
  return()
endif()
execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir
                OUTPUT_VARIABLE nanobind_dir OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "nanobind is missing for ${Python_EXECUTABLE}; build with `pip install .`, or:\n"
                      "  ${Python_EXECUTABLE} -m pip install nanobind==3.1.0\n")
endif()
list(APPEND CMAKE_PREFIX_PATH ${nanobind_dir})
find_package(nanobind CONFIG REQUIRED)

nanobind_add_module(_planish NB_STATIC NOMINSIZE NB_DOMAIN planish ${python_sources})
target_link_libraries(_planish PRIVATE planish_warnings planish_shared planish_runtime_shared)
# GCC 12 is wrong about the strings of exceptions that cross the module.
target_compile_options(_planish PRIVATE -Wno-free-nonheap-object)
set_target_properties(_planish PROPERTIES INSTALL_RPATH "$ORIGIN/lib")
install(TARGETS _planish LIBRARY DESTINATION planish)
