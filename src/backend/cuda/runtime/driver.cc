// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/runtime/driver.h"

#include <dlfcn.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "backend/cuda/runtime/driver_library.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish::cuda {
namespace {

// Errors after which every call in this process fails.
bool is_sticky(CuResult result) {
  return result == 4 || result == 214 || result == 700 || result == 702 || result == 710 ||
         (result >= 714 && result <= 719);
}

class Library {
 public:
  // Null if the library or one of its functions is missing.
  static std::shared_ptr<const Library> open(std::string* reason) {
    auto library = std::shared_ptr<Library>(new Library());
    library->handle_ = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library->handle_ == nullptr) {
      const char* error = dlerror();
      *reason = concat("the driver's library cannot be opened: ", error != nullptr ? error : "");
      return nullptr;
    }
#define PLANISH_CU_LOAD(member, symbol, parameters)                      \
  if (!library->load(symbol, library->functions_.member)) {              \
    *reason = concat("libcuda.so.1 has no ", symbol, ": it is too old"); \
    return nullptr;                                                      \
  }
    PLANISH_CU_FUNCTIONS(PLANISH_CU_LOAD)
#undef PLANISH_CU_LOAD
    if (const CuResult result = library->functions_.init(0); result != kCuSuccess) {
      *reason = concat("cuInit failed: ", library->describe(result));
      return nullptr;
    }
    return library;
  }

  const DriverFunctions& operator*() const { return functions_; }
  const DriverFunctions* operator->() const { return &functions_; }

  std::string describe(CuResult result) const {
    const char* name = nullptr;
    const char* text = nullptr;
    functions_.error_name(result, &name);
    functions_.error_string(result, &text);
    return concat(name != nullptr ? name : "error ", name != nullptr ? "" : std::to_string(result),
                  text != nullptr ? ", " : "", text != nullptr ? text : "");
  }

  void check(CuResult result, const char* what) const {
    if (result == kCuSuccess) return;
    if (result == kCuOutOfMemory)
      throw Error(ErrorCode::kOutOfMemory, concat(what, ": the device has not enough memory"), "",
                  "use a smaller batch, or free device memory that other programs hold");
    if (is_sticky(result))
      throw Error(ErrorCode::kDeviceError, concat(what, ": ", describe(result)), "",
                  "the device cannot be used by this process any more: restart the process");
    throw Error(ErrorCode::kDeviceError, concat(what, ": ", describe(result)));
  }

 private:
  Library() = default;
  template <class Function>
  bool load(const char* symbol, Function& function) {
    function = reinterpret_cast<Function>(dlsym(handle_, symbol));
    return function != nullptr;
  }

  // Never closed: the driver's threads outlive whatever would close it.
  void* handle_ = nullptr;
  DriverFunctions functions_;
};

template <class Object>
Object* as(uintptr_t handle) {
  return reinterpret_cast<Object*>(handle);
}
CuDevicePtr address(const void* p) { return reinterpret_cast<CuDevicePtr>(p); }

class RealDevice final : public DriverDevice {
 public:
  RealDevice(std::shared_ptr<const Library> library, int number) : cu_(std::move(library)) {
    check((*cu_)->device_get(&device_, number), "opening the device");
    char name[256] = {};
    check((*cu_)->device_name(name, sizeof(name), device_), "reading the device's name");
    properties_.name = name;
    properties_.major = attribute(kCuDeviceMajor);
    properties_.minor = attribute(kCuDeviceMinor);
    properties_.multiprocessors = attribute(kCuDeviceMultiprocessors);
    properties_.l2_bytes = static_cast<uint64_t>(attribute(kCuDeviceL2Bytes));
    properties_.shared_bytes = static_cast<uint32_t>(attribute(kCuDeviceSharedOptIn));
    size_t memory = 0;
    check((*cu_)->device_memory(&memory, device_), "reading the device's memory");
    properties_.memory_bytes = memory;
  }
  ~RealDevice() override {
    if (context_ != nullptr) (*cu_)->context_release(device_);
  }

  // The context is made when it is first needed: it takes time and memory, properties do without.
  void make_current() override {
    std::call_once(retained_, [&] {
      check((*cu_)->context_retain(&context_, device_), "making the device's context");
    });
    check((*cu_)->context_set(context_), "making the device current");
  }
  const DeviceProperties& properties() const override { return properties_; }

  std::byte* allocate(uint64_t bytes, bool) override {
    CuDevicePtr memory = 0;
    check((*cu_)->memory_allocate(&memory, std::max<uint64_t>(bytes, 1)),
          concat("allocating ", bytes, " bytes of device memory").c_str());
    return reinterpret_cast<std::byte*>(memory);
  }
  void release(std::byte* memory) noexcept override {
    (*cu_)->context_set(context_);
    (*cu_)->memory_free(address(memory));
  }
  void copy(void* to, const void* from, uint64_t bytes, StreamHandle stream) override {
    if (bytes == 0) return;
    check((*cu_)->memory_copy(address(to), address(from), bytes, as<CuStreamObject>(stream)),
          "copying to or from the device");
  }
  void fill(std::byte* to, int value, uint64_t bytes, StreamHandle stream) override {
    if (bytes == 0) return;
    check((*cu_)->memory_fill(address(to), static_cast<unsigned char>(value), bytes,
                              as<CuStreamObject>(stream)),
          "filling device memory");
  }
  bool is_device_memory(const void* memory) override {
    unsigned type = 0;
    return (*cu_)->pointer_attribute(&type, kCuPointerMemoryType, address(memory)) == kCuSuccess &&
           type == kCuMemoryDevice;
  }

  ModuleHandle load_module(std::span<const std::byte> code) override {
    CuModuleObject* module = nullptr;
    const CuResult result = (*cu_)->module_load(&module, code.data());
    if (result == kCuNoBinary)
      throw Error(ErrorCode::kVersionMismatch,
                  concat("the plan's machine code does not run on ", properties_.name));
    check(result, "loading machine code");
    return reinterpret_cast<ModuleHandle>(module);
  }
  void unload_module(ModuleHandle module) noexcept override {
    (*cu_)->context_set(context_);
    (*cu_)->module_unload(as<CuModuleObject>(module));
  }
  FunctionHandle find_function(ModuleHandle module, const char* name,
                               uint32_t shared_bytes) override {
    CuFunctionObject* function = nullptr;
    check((*cu_)->module_function(&function, as<CuModuleObject>(module), name),
          "finding a kernel in its module");
    if (shared_bytes > 0)
      check((*cu_)->function_set(function, kCuFunctionMaxDynamicShared,
                                 static_cast<int>(shared_bytes)),
            concat("asking for ", shared_bytes, " bytes of shared memory").c_str());
    return reinterpret_cast<FunctionHandle>(function);
  }
  FunctionUse use_of(FunctionHandle function) override {
    FunctionUse use;
    const auto get = [&](int* value, int which) {
      check((*cu_)->function_get(value, which, as<CuFunctionObject>(function)),
            "reading a kernel's resources");
    };
    get(&use.registers, kCuFunctionRegisters);
    get(&use.local_bytes, kCuFunctionLocalBytes);
    get(&use.shared_bytes, kCuFunctionSharedBytes);
    return use;
  }
  void launch(const KernelLaunch& launch, StreamHandle stream) override {
    CuLaunchAttribute attribute = {};
    attribute.id = kCuAttributeProgrammaticSerialization;
    attribute.value.allowed = 1;
    CuLaunchConfig config = {};
    std::copy(launch.grid.begin(), launch.grid.end(), config.grid);
    config.block[0] = launch.threads;
    config.block[1] = config.block[2] = 1;
    config.shared_bytes = launch.shared_bytes;
    config.stream = as<CuStreamObject>(stream);
    // Older chips have no such launches.
    if (launch.waits_for_predecessor && properties_.major >= 9) {
      config.attributes = &attribute;
      config.attribute_count = 1;
    }
    // With their size, which the driver holds against the kernel's own.
    size_t bytes = launch.params.size();
    void* params[] = {kCuParamBuffer, const_cast<std::byte*>(launch.params.data()),
                      kCuParamBufferSize, &bytes, kCuParamEnd};
    check((*cu_)->launch(&config, as<CuFunctionObject>(launch.function), nullptr, params),
          "launching a kernel");
  }

  StreamHandle create_stream() override {
    CuStreamObject* stream = nullptr;
    check((*cu_)->stream_create(&stream, kCuStreamNonBlocking), "making a stream");
    return reinterpret_cast<StreamHandle>(stream);
  }
  void destroy_stream(StreamHandle stream) noexcept override {
    (*cu_)->context_set(context_);
    (*cu_)->stream_destroy(as<CuStreamObject>(stream));
  }
  void synchronize(StreamHandle stream) override {
    check((*cu_)->stream_synchronize(as<CuStreamObject>(stream)), "waiting for the device");
  }
  bool is_capturing(StreamHandle stream) override {
    int status = 0;
    check((*cu_)->stream_is_capturing(as<CuStreamObject>(stream), &status), "asking a stream");
    return status != 0;
  }

  EventHandle create_event() override {
    CuEventObject* event = nullptr;
    check((*cu_)->event_create(&event, kCuEventDisableTiming), "making an event");
    return reinterpret_cast<EventHandle>(event);
  }
  void destroy_event(EventHandle event) noexcept override {
    (*cu_)->context_set(context_);
    (*cu_)->event_destroy(as<CuEventObject>(event));
  }
  void record(EventHandle event, StreamHandle stream) override {
    check((*cu_)->event_record(as<CuEventObject>(event), as<CuStreamObject>(stream)),
          "recording an event");
  }
  void wait(EventHandle event, StreamHandle stream) override {
    check((*cu_)->stream_wait(as<CuStreamObject>(stream), as<CuEventObject>(event), 0),
          "waiting for an event");
  }

  void begin_capture(StreamHandle stream) override {
    check((*cu_)->capture_begin(as<CuStreamObject>(stream), kCuCaptureThreadLocal),
          "beginning a graph");
  }
  GraphHandle end_capture(StreamHandle stream) override {
    CuGraphObject* graph = nullptr;
    check((*cu_)->capture_end(as<CuStreamObject>(stream), &graph), "ending a graph");
    if (graph == nullptr) return 0;
    CuGraphExecObject* ready = nullptr;
    const CuResult result = (*cu_)->graph_instantiate(&ready, graph, 0);
    (*cu_)->graph_destroy(graph);
    check(result, "making a graph ready");
    return reinterpret_cast<GraphHandle>(ready);
  }
  void launch_graph(GraphHandle graph, StreamHandle stream) override {
    check((*cu_)->graph_launch(as<CuGraphExecObject>(graph), as<CuStreamObject>(stream)),
          "launching a graph");
  }
  void destroy_graph(GraphHandle graph) noexcept override {
    (*cu_)->context_set(context_);
    (*cu_)->graph_exec_destroy(as<CuGraphExecObject>(graph));
  }

 private:
  void check(CuResult result, const char* what) const { cu_->check(result, what); }
  int attribute(int which) const {
    int value = 0;
    check((*cu_)->device_attribute(&value, which, device_), "reading the device's properties");
    return value;
  }

  std::shared_ptr<const Library> cu_;
  CuDevice device_ = 0;
  std::once_flag retained_;
  CuContextObject* context_ = nullptr;
  DeviceProperties properties_;
};

class RealDriver final : public Driver {
 public:
  explicit RealDriver(std::shared_ptr<const Library> library) : cu_(std::move(library)) {
    cu_->check((*cu_)->driver_version(&version_), "asking for the driver's version");
    cu_->check((*cu_)->device_count(&count_), "counting devices");
  }
  int version() const override { return version_; }
  int device_count() const override { return count_; }
  std::shared_ptr<DriverDevice> open(int device) override {
    if (device < 0 || device >= count_)
      throw Error(ErrorCode::kDeviceError,
                  concat("there is no device cuda:", device, ", this machine has ", count_));
    const std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<DriverDevice> opened = devices_[device].lock();
    if (opened == nullptr) devices_[device] = opened = std::make_shared<RealDevice>(cu_, device);
    return opened;
  }

 private:
  std::shared_ptr<const Library> cu_;
  int version_ = 0;
  int count_ = 0;
  std::mutex mutex_;
  std::map<int, std::weak_ptr<DriverDevice>> devices_;
};

struct Current {
  std::mutex mutex;
  std::shared_ptr<Driver> installed;
  std::shared_ptr<Driver> real;
  std::string reason;
  bool is_looked_for = false;
};

Current& current() {
  static Current instance;
  return instance;
}

}  // namespace

std::shared_ptr<Driver> find_driver(std::string* reason) {
  Current& c = current();
  const std::lock_guard<std::mutex> lock(c.mutex);
  if (c.installed != nullptr) return c.installed;
  if (!c.is_looked_for) {
    c.is_looked_for = true;
    try {
      if (auto library = Library::open(&c.reason))
        c.real = std::make_shared<RealDriver>(std::move(library));
    } catch (const Error& error) {
      c.reason = error.what();
    }
    if (c.real != nullptr && c.real->device_count() == 0) {
      c.reason = "the driver finds no device";
      c.real.reset();
    }
  }
  if (reason != nullptr) *reason = c.reason;
  return c.real;
}

std::shared_ptr<Driver> driver() {
  std::string reason;
  if (std::shared_ptr<Driver> found = find_driver(&reason)) return found;
  throw Error(ErrorCode::kDeviceError, concat("there is no usable GPU: ", reason), "",
              "install NVIDIA's driver, or use device=cpu");
}

void install_driver(std::shared_ptr<Driver> driver) {
  Current& c = current();
  const std::lock_guard<std::mutex> lock(c.mutex);
  c.installed = std::move(driver);
}

std::string version_text(int version) { return concat(version / 1000, ".", version % 1000 / 10); }

}  // namespace planish::cuda
