# SPDX-License-Identifier: Apache-2.0
# The layers, lowest first, with what each may use; tools/check_layers.py holds the includes to it.

planish_layer(base DIR base)
planish_layer(tensor DIR tensor DEPENDS base)
planish_layer(ops DIR ops DEPENDS tensor base)
planish_layer(ir DIR ir DEPENDS tensor base)
planish_layer(plan DIR plan DEPENDS tensor base LINK ${PLANISH_ZSTD})
planish_layer(memory DIR memory DEPENDS plan tensor base)
planish_layer(runtime DIR runtime DEPENDS plan memory ops tensor base)
planish_layer(ref_runtime DIR backend/ref/runtime DEPENDS runtime plan ops tensor base)
planish_layer(cpu_kernels DIR backend/cpu/kernels DEPENDS runtime ops tensor base)
planish_isa_objects(cpu_kernels DIR backend/cpu/kernels)
planish_layer(cpu_runtime DIR backend/cpu/runtime DEPENDS cpu_kernels runtime plan ops tensor base)
planish_layer(cuda_runtime DIR backend/cuda/runtime DEPENDS runtime plan ops tensor base)
planish_layer(capi_runtime DIR capi/runtime DEPENDS runtime plan tensor base)

planish_shared_library(planish_runtime_shared OUTPUT planish_runtime
  LAYERS base tensor ops plan memory runtime ref_runtime cpu_kernels cpu_runtime cuda_runtime
         capi_runtime
  LINK Threads::Threads ${CMAKE_DL_LIBS})

planish_layer(import_onnx DIR import/onnx HIDDEN DEPENDS ir ops tensor base)
planish_layer(passes DIR passes DEPENDS ir ops tensor base)
planish_layer(tuner DIR tuner DEPENDS ir plan runtime tensor base)
planish_layer(ref_compile DIR backend/ref/compile DEPENDS ref_runtime passes tuner memory plan ir ops)
planish_layer(cpu_compile DIR backend/cpu/compile
  DEPENDS cpu_runtime ref_compile passes tuner memory plan ir ops)
planish_layer(cuda_compile DIR backend/cuda/compile
  DEPENDS cuda_runtime ref_compile passes tuner memory plan ir ops)
file(GLOB cuda_kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/backend/cuda/kernels/*.cuh)
planish_embed(planish_cuda_compile cuda_kernels ${cuda_kernels})
planish_layer(compiler DIR compiler
  DEPENDS ref_compile cpu_compile cuda_compile import_onnx passes tuner runtime memory plan ir ops tensor base)
planish_layer(capi_compiler DIR capi/compiler DEPENDS compiler runtime ir ops tensor base)

planish_shared_library(planish_shared OUTPUT planish
  LAYERS ir onnx_pb import_onnx passes tuner ref_compile cpu_compile cuda_compile compiler
         capi_compiler
  LINK Threads::Threads ${CMAKE_DL_LIBS})
target_link_libraries(planish_shared PUBLIC planish_runtime_shared)
add_library(planish::planish ALIAS planish_shared)
add_library(planish::runtime ALIAS planish_runtime_shared)

set_target_properties(planish_shared PROPERTIES EXPORT_NAME planish)
set_target_properties(planish_runtime_shared PROPERTIES EXPORT_NAME runtime)
