# SPDX-License-Identifier: Apache-2.0
# libplanish_onednn.so: the oneDNN tactics, opened at run time, so that nothing else needs oneDNN.
# The wheel holds the same 55 MB library under three names; one is used.

file(GLOB_RECURSE onednn_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/backend/cpu/onednn/*.cc)
if(NOT onednn_sources)
  return()
endif()
find_package(OpenMP REQUIRED COMPONENTS CXX)

planish_pinned_wheel(onednn_devel onednn-devel-cpu-gomp 2023.2.0
  SHA256 9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284
  PATTERNS onednn_devel_cpu_gomp-2023.2.0.data/data/include)
planish_pinned_wheel(onednn onednn-cpu-gomp 2023.2.0
  SHA256 2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb
  PATTERNS onednn_cpu_gomp-2023.2.0.data/data/lib/libdnnl.so.3
           onednn_cpu_gomp-2023.2.0.data/data/share/doc/onednn/LICENSE
           onednn_cpu_gomp-2023.2.0.data/data/share/doc/onednn/THIRD-PARTY-PROGRAMS)
set(onednn_data ${onednn}/onednn_cpu_gomp-2023.2.0.data/data)
set(PLANISH_DNNL_LICENSES ${onednn_data}/share/doc/onednn/LICENSE
                          ${onednn_data}/share/doc/onednn/THIRD-PARTY-PROGRAMS)
set(PLANISH_DNNL ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/libdnnl.so.3)
file(MAKE_DIRECTORY ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})
file(CREATE_LINK ${onednn_data}/lib/libdnnl.so.3 ${PLANISH_DNNL} COPY_ON_ERROR)

add_library(planish_onednn_shared SHARED ${onednn_sources})
target_include_directories(planish_onednn_shared SYSTEM PRIVATE
  ${onednn_devel}/onednn_devel_cpu_gomp-2023.2.0.data/data/include)
target_link_libraries(planish_onednn_shared PRIVATE
  planish_warnings planish_common planish_runtime_shared OpenMP::OpenMP_CXX ${PLANISH_DNNL})
add_dependencies(planish_onednn_shared planish_generated)
set_target_properties(planish_onednn_shared PROPERTIES
  OUTPUT_NAME planish_onednn CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
  INSTALL_RPATH "$ORIGIN")
