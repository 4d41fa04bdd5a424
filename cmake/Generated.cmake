# SPDX-License-Identifier: Apache-2.0
# Sources that are generated while building, under <build>/generated, which is on the include path:
#   "import/onnx/onnx_ml.pb.h"       from the onnx wheel's schema, in namespace planish::onnx_pb
#   "plan/<name>_generated.h"        from src/plan/<name>.fbs

set(planish_generated_dir ${PROJECT_BINARY_DIR}/generated)
set(planish_generated_files "")

# The package is renamed, so that no symbol or message name can meet another ONNX library's.
planish_pinned_wheel(onnx_wheel onnx 1.22.0 PATTERNS onnx/onnx-ml.proto)
set(onnx_proto ${onnx_wheel}/onnx/onnx-ml.proto)
file(SHA256 ${onnx_proto} onnx_proto_hash)
if(NOT onnx_proto_hash STREQUAL "f5996bda8d5c46d29e9ea5dd5f56465dfa7e98c22cb31529ebcbce7cbe9bbaba")
  message(FATAL_ERROR "onnx-ml.proto of the onnx wheel is not the pinned file; delete ${onnx_wheel}")
endif()
set(onnx_pb_dir ${planish_generated_dir}/import/onnx)
file(MAKE_DIRECTORY ${onnx_pb_dir})
add_custom_command(
  OUTPUT ${onnx_pb_dir}/onnx_ml.pb.h ${onnx_pb_dir}/onnx_ml.pb.cc
  COMMAND sed "s/^package onnx\;/package planish.onnx_pb\;/" ${onnx_proto} > ${onnx_pb_dir}/onnx_ml.proto
  COMMAND ${PLANISH_PROTOC} --proto_path=${planish_generated_dir} --cpp_out=lite:${planish_generated_dir}
          ${onnx_pb_dir}/onnx_ml.proto
  DEPENDS ${onnx_proto}
  COMMENT "Generating import/onnx/onnx_ml.pb.h"
  VERBATIM)
list(APPEND planish_generated_files ${onnx_pb_dir}/onnx_ml.pb.h)

file(GLOB schemas CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/plan/*.fbs)
file(MAKE_DIRECTORY ${planish_generated_dir}/plan)
foreach(schema ${schemas})
  get_filename_component(name ${schema} NAME_WE)
  set(header ${planish_generated_dir}/plan/${name}_generated.h)
  add_custom_command(
    OUTPUT ${header}
    COMMAND ${PLANISH_FLATC} --cpp --scoped-enums --cpp-std c++17 -o ${planish_generated_dir}/plan ${schema}
    DEPENDS ${schemas}
    COMMENT "Generating plan/${name}_generated.h"
    VERBATIM)
  list(APPEND planish_generated_files ${header})
endforeach()

add_custom_target(planish_generated DEPENDS ${planish_generated_files})

add_library(planish_onnx_pb OBJECT ${onnx_pb_dir}/onnx_ml.pb.cc)
target_link_libraries(planish_onnx_pb PUBLIC planish_common)
target_compile_options(planish_onnx_pb PRIVATE -w)
set_target_properties(planish_onnx_pb PROPERTIES
  CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
  PLANISH_OBJECTS "$<TARGET_OBJECTS:planish_onnx_pb>" PLANISH_LINK "${PLANISH_PROTOBUF_LITE}")
