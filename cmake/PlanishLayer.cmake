# SPDX-License-Identifier: Apache-2.0
# Layers are object libraries: their registrations are static objects, so every object file must be
# linked whole. A layer that has no source file yet is an interface library and everything still works.

# planish_layer(NAME DIR dir [SHALLOW] [HIDDEN] [EXCLUDE regex...] [DEPENDS layer...] [LINK lib...])
#
# Compiles src/DIR/**/*.cc (SHALLOW: src/DIR/*.cc) into the object library planish_NAME. `*.isa.cc`
# files belong to planish_isa_objects. HIDDEN compiles with hidden visibility.
function(planish_layer name)
  cmake_parse_arguments(ARG "SHALLOW;HIDDEN" "DIR" "EXCLUDE;DEPENDS;LINK" ${ARGN})
  set(root ${PROJECT_SOURCE_DIR}/src/${ARG_DIR})
  if(ARG_SHALLOW)
    file(GLOB sources CONFIGURE_DEPENDS ${root}/*.cc)
  else()
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${root}/*.cc)
  endif()
  foreach(pattern "\\.isa\\.cc$" ${ARG_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "${pattern}")
  endforeach()
  set(depends ${ARG_DEPENDS})
  list(TRANSFORM depends PREPEND planish_)

  set(target planish_${name})
  if(sources)
    add_library(${target} OBJECT ${sources})
    target_link_libraries(${target} PRIVATE planish_warnings PUBLIC planish_common ${depends} ${ARG_LINK})
    add_dependencies(${target} planish_generated)
    set_target_properties(${target} PROPERTIES PLANISH_OBJECTS "$<TARGET_OBJECTS:${target}>")
    if(ARG_HIDDEN)
      set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    endif()
    if(PLANISH_UNITY)
      set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    endif()
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE planish_common ${depends} ${ARG_LINK})
  endif()
  set_target_properties(${target} PROPERTIES PLANISH_LINK "${ARG_LINK}")
endfunction()

# planish_isa_objects(LAYER DIR dir)
#
# Compiles every src/DIR/*.isa.cc once for each instruction set, with PLANISH_ISA defined as plain,
# avx2 or avx512, and adds the objects to LAYER. The plain objects come first in the link, so that an
# inline function that all three emit is taken from the one that any x86-64 can run;
# tools/check_isa.py proves that no other symbol is shared.
function(planish_isa_objects name)
  cmake_parse_arguments(ARG "" "DIR" "" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${ARG_DIR}/*.isa.cc)
  if(NOT sources)
    return()
  endif()
  set(flags_plain "")
  set(flags_avx2 -mavx2 -mfma -mf16c)
  # GCC 12 warns of the undefined operands inside its own AVX-512 header.
  set(flags_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c
                   -Wno-uninitialized -Wno-maybe-uninitialized)
  set(objects "")
  foreach(isa plain avx2 avx512)
    set(target planish_${name}_${isa})
    add_library(${target} OBJECT ${sources})
    target_link_libraries(${target} PRIVATE planish_warnings planish_common)
    target_compile_definitions(${target} PRIVATE PLANISH_ISA=${isa})
    target_compile_options(${target} PRIVATE ${flags_${isa}} -O3 -ffp-contract=fast -fno-math-errno)
    add_dependencies(${target} planish_generated)
    list(APPEND objects "$<TARGET_OBJECTS:${target}>")
  endforeach()
  set_property(TARGET planish_${name} APPEND PROPERTY PLANISH_OBJECTS ${objects})
endfunction()

# planish_shared_library(TARGET OUTPUT name LAYERS layer... [LINK lib...])
#
# Links the layers' objects whole into lib<name>.so.
function(planish_shared_library target)
  cmake_parse_arguments(ARG "" "OUTPUT" "LAYERS;LINK" ${ARGN})
  add_library(${target} SHARED)
  set(all_objects "")
  foreach(layer ${ARG_LAYERS})
    get_target_property(objects planish_${layer} PLANISH_OBJECTS)
    if(objects)
      list(APPEND all_objects ${objects})
    endif()
    get_target_property(links planish_${layer} PLANISH_LINK)
    if(links)
      target_link_libraries(${target} PRIVATE ${links})
    endif()
  endforeach()
  if(NOT all_objects)
    set(all_objects ${PROJECT_BINARY_DIR}/generated/empty.cc)
    file(WRITE ${all_objects} "")
  endif()
  target_sources(${target} PRIVATE ${all_objects})
  target_link_libraries(${target} PRIVATE ${ARG_LINK})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                              $<INSTALL_INTERFACE:include>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${ARG_OUTPUT} LINKER_LANGUAGE CXX
                                             INSTALL_RPATH "$ORIGIN")
  # A wheel cannot hold symbolic links, so there the libraries carry their plain names.
  if(NOT SKBUILD)
    set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION}
                                               SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  endif()
endfunction()

# planish_embed(TARGET header-name file...)
#
# Makes the files' bytes available to TARGET: `#include "embed/<header-name>.h"` declares, in namespace
# planish::embed, one `std::string_view <file name with _ for other characters>` each, and
# `<header-name>_files()`, their names and bytes.
function(planish_embed target header)
  set(out ${PROJECT_BINARY_DIR}/generated/embed/${header})
  set(inputs "")
  foreach(file ${ARGN})
    get_filename_component(path ${file} ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
    list(APPEND inputs ${path})
  endforeach()
  add_custom_command(
    OUTPUT ${out}.h ${out}.cc
    COMMAND ${PLANISH_PYTHON} ${PROJECT_SOURCE_DIR}/cmake/embed.py ${out} ${inputs}
    DEPENDS ${inputs} ${PROJECT_SOURCE_DIR}/cmake/embed.py
    VERBATIM)
  target_sources(${target} PRIVATE ${out}.h ${out}.cc)
endfunction()
