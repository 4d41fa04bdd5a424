// SPDX-License-Identifier: Apache-2.0
#include "emulator/device_runner.h"

#include <dlfcn.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace planish::emulator {
namespace {

constexpr int kMaxDynamicSharedBytes = 8;  // of cuFuncSetAttribute

// What the tests use of the driver.
struct CudaDriver {
  int (*init)(unsigned);
  int (*device_get)(int*, int);
  int (*context_retain)(void**, int);
  int (*context_set)(void*);
  int (*synchronize)();
  int (*error_string)(int, const char**);
  int (*memory_alloc)(uint64_t*, size_t);
  int (*memory_free)(uint64_t);
  int (*copy_in)(uint64_t, const void*, size_t);
  int (*copy_out)(void*, uint64_t, size_t);
  int (*fill)(uint64_t, unsigned char, size_t);
  int (*module_load)(void**, const void*);
  int (*module_unload)(void*);
  int (*function_get)(void**, void*, const char*);
  int (*function_set)(void*, int, int);
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                void**, void**);

  CudaDriver() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error("no CUDA driver");
    const auto get = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      if (function == nullptr) throw std::runtime_error(std::string("the driver lacks ") + name);
    };
    get(init, "cuInit");
    get(device_get, "cuDeviceGet");
    get(context_retain, "cuDevicePrimaryCtxRetain");
    get(context_set, "cuCtxSetCurrent");
    get(synchronize, "cuCtxSynchronize");
    get(error_string, "cuGetErrorString");
    get(memory_alloc, "cuMemAlloc_v2");
    get(memory_free, "cuMemFree_v2");
    get(copy_in, "cuMemcpyHtoD_v2");
    get(copy_out, "cuMemcpyDtoH_v2");
    get(fill, "cuMemsetD8_v2");
    get(module_load, "cuModuleLoadData");
    get(module_unload, "cuModuleUnload");
    get(function_get, "cuModuleGetFunction");
    get(function_set, "cuFuncSetAttribute");
    get(launch, "cuLaunchKernel");
    int device = 0;
    void* context = nullptr;
    check(init(0));
    check(device_get(&device, 0));
    check(context_retain(&context, device));
    check(context_set(context));
  }
  std::string complaint(int status) const {
    if (status == 0) return {};
    const char* text = nullptr;
    error_string(status, &text);
    return text == nullptr ? "error " + std::to_string(status) : text;
  }
  void check(int status) const {
    if (status != 0) throw std::runtime_error(complaint(status));
  }
};

const CudaDriver& driver() {
  static const CudaDriver instance;
  return instance;
}

}  // namespace

DeviceBytes::DeviceBytes(size_t size) : size_(size) {
  driver().check(driver().memory_alloc(&address_, size == 0 ? 1 : size));
}
DeviceBytes::~DeviceBytes() { driver().memory_free(address_); }
void DeviceBytes::fill(unsigned char byte) {
  if (size_ != 0) driver().check(driver().fill(address_, byte, size_));
}
void DeviceBytes::copy_in(const void* from) {
  if (size_ != 0) driver().check(driver().copy_in(address_, from, size_));
}
void DeviceBytes::copy_out(void* to) const {
  if (size_ != 0) driver().check(driver().copy_out(to, address_, size_));
}

DeviceModule::DeviceModule(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> code{std::istreambuf_iterator<char>(file), {}};
  if (code.empty()) throw std::runtime_error("no machine code at " + path);
  driver().check(driver().module_load(&module_, code.data()));
}
DeviceModule::~DeviceModule() { driver().module_unload(module_); }

std::string DeviceModule::launch(const std::string& entry, const uint32_t (&grid)[3],
                                 uint32_t threads, uint32_t shared_bytes,
                                 std::span<const std::byte> params) const {
  const CudaDriver& d = driver();
  void* function = nullptr;
  int status = d.function_get(&function, module_, entry.c_str());
  if (status == 0) {
    status = d.function_set(function, kMaxDynamicSharedBytes, static_cast<int>(shared_bytes));
  }
  std::vector<std::byte> copy(params.begin(), params.end());
  void* arguments[] = {copy.data()};
  if (status == 0) {
    status = d.launch(function, grid[0], grid[1], grid[2], threads, 1, 1, shared_bytes, nullptr,
                      arguments, nullptr);
  }
  if (status == 0) status = d.synchronize();
  return d.complaint(status);
}

const char* cubin_folder() { return std::getenv("PLANISH_TEST_CUBINS"); }

}  // namespace planish::emulator
