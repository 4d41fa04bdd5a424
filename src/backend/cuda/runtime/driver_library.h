// SPDX-License-Identifier: Apache-2.0
// The functions of libcuda.so.1 that Planish calls, declared here so that no CUDA header is needed
// to build. Names, numbers and layouts are those of the driver's stable binary interface.
#pragma once

#include <cstddef>
#include <cstdint>

namespace planish::cuda {

using CuResult = int;
using CuDevice = int;
using CuDevicePtr = unsigned long long;  // NOLINT: the driver's own type
struct CuContextObject;
struct CuModuleObject;
struct CuFunctionObject;
struct CuStreamObject;
struct CuEventObject;
struct CuGraphObject;
struct CuGraphExecObject;

struct CuLaunchAttribute {
  int id;
  char padding[4];
  union {
    char bytes[64];
    int allowed;
  } value;
};
static_assert(sizeof(CuLaunchAttribute) == 72);

struct CuLaunchConfig {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  CuStreamObject* stream;
  CuLaunchAttribute* attributes;
  unsigned attribute_count;
};
static_assert(sizeof(CuLaunchConfig) == 56);

inline constexpr CuResult kCuSuccess = 0;
inline constexpr CuResult kCuOutOfMemory = 2;
inline constexpr CuResult kCuNoBinary = 209;
inline constexpr int kCuAttributeProgrammaticSerialization = 6;
inline constexpr int kCuDeviceMultiprocessors = 16;
inline constexpr int kCuDeviceL2Bytes = 38;
inline constexpr int kCuDeviceMajor = 75;
inline constexpr int kCuDeviceMinor = 76;
inline constexpr int kCuDeviceSharedOptIn = 97;
inline constexpr int kCuFunctionSharedBytes = 1;
inline constexpr int kCuFunctionLocalBytes = 3;
inline constexpr int kCuFunctionRegisters = 4;
inline constexpr int kCuFunctionMaxDynamicShared = 8;
inline constexpr int kCuPointerMemoryType = 2;
inline constexpr unsigned kCuMemoryDevice = 2;
inline constexpr unsigned kCuStreamNonBlocking = 1;
inline constexpr unsigned kCuEventDisableTiming = 2;
inline constexpr int kCuCaptureThreadLocal = 1;
inline constexpr void* kCuParamEnd = nullptr;
inline void* const kCuParamBuffer = reinterpret_cast<void*>(1);
inline void* const kCuParamBufferSize = reinterpret_cast<void*>(2);

// PLANISH_CU(member, symbol, parameters)
#define PLANISH_CU_FUNCTIONS(PLANISH_CU)                                                        \
  PLANISH_CU(init, "cuInit", (unsigned))                                                        \
  PLANISH_CU(driver_version, "cuDriverGetVersion", (int*))                                      \
  PLANISH_CU(error_name, "cuGetErrorName", (CuResult, const char**))                            \
  PLANISH_CU(error_string, "cuGetErrorString", (CuResult, const char**))                        \
  PLANISH_CU(device_count, "cuDeviceGetCount", (int*))                                          \
  PLANISH_CU(device_get, "cuDeviceGet", (CuDevice*, int))                                       \
  PLANISH_CU(device_name, "cuDeviceGetName", (char*, int, CuDevice))                            \
  PLANISH_CU(device_attribute, "cuDeviceGetAttribute", (int*, int, CuDevice))                   \
  PLANISH_CU(device_memory, "cuDeviceTotalMem_v2", (size_t*, CuDevice))                         \
  PLANISH_CU(context_retain, "cuDevicePrimaryCtxRetain", (CuContextObject**, CuDevice))         \
  PLANISH_CU(context_release, "cuDevicePrimaryCtxRelease_v2", (CuDevice))                       \
  PLANISH_CU(context_set, "cuCtxSetCurrent", (CuContextObject*))                                \
  PLANISH_CU(memory_allocate, "cuMemAlloc_v2", (CuDevicePtr*, size_t))                          \
  PLANISH_CU(memory_free, "cuMemFree_v2", (CuDevicePtr))                                        \
  PLANISH_CU(memory_copy, "cuMemcpyAsync", (CuDevicePtr, CuDevicePtr, size_t, CuStreamObject*)) \
  PLANISH_CU(memory_fill, "cuMemsetD8Async",                                                    \
             (CuDevicePtr, unsigned char, size_t, CuStreamObject*))                             \
  PLANISH_CU(pointer_attribute, "cuPointerGetAttribute", (void*, int, CuDevicePtr))             \
  PLANISH_CU(module_load, "cuModuleLoadData", (CuModuleObject**, const void*))                  \
  PLANISH_CU(module_unload, "cuModuleUnload", (CuModuleObject*))                                \
  PLANISH_CU(module_function, "cuModuleGetFunction",                                            \
             (CuFunctionObject**, CuModuleObject*, const char*))                                \
  PLANISH_CU(function_set, "cuFuncSetAttribute", (CuFunctionObject*, int, int))                 \
  PLANISH_CU(function_get, "cuFuncGetAttribute", (int*, int, CuFunctionObject*))                \
  PLANISH_CU(launch, "cuLaunchKernelEx",                                                        \
             (const CuLaunchConfig*, CuFunctionObject*, void**, void**))                        \
  PLANISH_CU(stream_create, "cuStreamCreate", (CuStreamObject**, unsigned))                     \
  PLANISH_CU(stream_destroy, "cuStreamDestroy_v2", (CuStreamObject*))                           \
  PLANISH_CU(stream_synchronize, "cuStreamSynchronize", (CuStreamObject*))                      \
  PLANISH_CU(stream_is_capturing, "cuStreamIsCapturing", (CuStreamObject*, int*))               \
  PLANISH_CU(stream_wait, "cuStreamWaitEvent", (CuStreamObject*, CuEventObject*, unsigned))     \
  PLANISH_CU(event_create, "cuEventCreate", (CuEventObject**, unsigned))                        \
  PLANISH_CU(event_destroy, "cuEventDestroy_v2", (CuEventObject*))                              \
  PLANISH_CU(event_record, "cuEventRecord", (CuEventObject*, CuStreamObject*))                  \
  PLANISH_CU(capture_begin, "cuStreamBeginCapture_v2", (CuStreamObject*, int))                  \
  PLANISH_CU(capture_end, "cuStreamEndCapture", (CuStreamObject*, CuGraphObject**))             \
  PLANISH_CU(graph_instantiate, "cuGraphInstantiateWithFlags",                                  \
             (CuGraphExecObject**, CuGraphObject*, unsigned long long)) /* NOLINT */            \
  PLANISH_CU(graph_launch, "cuGraphLaunch", (CuGraphExecObject*, CuStreamObject*))              \
  PLANISH_CU(graph_destroy, "cuGraphDestroy", (CuGraphObject*))                                 \
  PLANISH_CU(graph_exec_destroy, "cuGraphExecDestroy", (CuGraphExecObject*))

struct DriverFunctions {
#define PLANISH_CU_MEMBER(member, symbol, parameters) CuResult(*member) parameters = nullptr;
  PLANISH_CU_FUNCTIONS(PLANISH_CU_MEMBER)
#undef PLANISH_CU_MEMBER
};

}  // namespace planish::cuda
