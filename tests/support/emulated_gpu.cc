// SPDX-License-Identifier: Apache-2.0
#include "support/emulated_gpu.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "emulator/emulator.h"
#include "planish/error.h"

namespace planish::cuda {
namespace {

std::string temporary_folder() {
  std::string path = (std::filesystem::temp_directory_path() / "planish-gpu-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr)
    throw Error(ErrorCode::kFileError, "no folder for emulated kernels");
  return path;
}

// Compiled once a process: tests share kernels.
class HostCompiler final : public KernelCompiler {
 public:
  HostCompiler() : folder_(temporary_folder()) {}
  ~HostCompiler() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  HostCompiler(const HostCompiler&) = delete;
  HostCompiler& operator=(const HostCompiler&) = delete;

  std::string version() const override { return "g++"; }
  int least_driver() const override { return 13000; }
  bool knows(const Target&) const override { return true; }
  Code compile(const std::string& source, const Target&) const override {
    const std::string path = concat(folder_, "/", hash128(source).hex(), ".so");
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!std::filesystem::exists(path)) {
      const std::string complaints = emulator::compile_kernels(source + params_bytes(source), path);
      if (!complaints.empty()) throw Error(ErrorCode::kInternal, concat(complaints, "\n", source));
    }
    const OwnedBytes file = load_file(path, FileAccess::kCopy);
    return Code(file.bytes.begin(), file.bytes.end());
  }

 private:
  // The size of the entry's parameter, as machine code tells it.
  static std::string params_bytes(const std::string& source) {
    const size_t begin = source.find("PLANISH_PARAMS(") + 15;
    return concat(
        "extern \"C\" {\n__attribute__((visibility(\"default\"))) extern const unsigned "
        "planish_params_bytes = sizeof(",
        source.substr(begin, source.find(')', begin) - begin), ");\n}\n");
  }

  std::string folder_;
  mutable std::mutex mutex_;
};

}  // namespace

class EmulatedGpu::Device final : public DriverDevice {
 public:
  Device() : folder_(temporary_folder()) {
    properties_ = {.name = "emulated GPU",
                   .major = 9,
                   .minor = 0,
                   .multiprocessors = 4,
                   .memory_bytes = uint64_t{1} << 32,
                   .l2_bytes = 1 << 20,
                   .shared_bytes = 227 << 10};
  }
  ~Device() override {
    modules_.clear();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  void make_current() override {}
  const DeviceProperties& properties() const override { return properties_; }

  std::byte* allocate(uint64_t bytes, bool for_weights) override {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    if (bytes > room_)
      throw Error(ErrorCode::kOutOfMemory, concat("the emulated GPU has no ", bytes, " bytes"));
    void* pages =
        mmap(nullptr, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw Error(ErrorCode::kOutOfMemory, "no memory for emulation");
    std::memset(pages, 0xCD, bytes);
    mprotect(pages, bytes + 1, PROT_NONE);
    auto* block = static_cast<std::byte*>(pages);
    memory_.add(block, bytes,
                for_weights ? emulator::Contents::kConstant : emulator::Contents::kUnwritten);
    blocks_[block] = bytes;
    ++counts.allocations;
    return block;
  }
  void release(std::byte* memory) noexcept override {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    memory_.remove(memory);
    munmap(memory, blocks_[memory] + 1);
    blocks_.erase(memory);
    --counts.allocations;
  }
  void copy(void* to, const void* from, uint64_t bytes, StreamHandle stream) override {
    enqueue(stream, [=, this] {
      ++counts.copies;
      if (bytes != 0) std::memcpy(to, from, bytes);
      if (is_device_memory(to)) memory_.mark_written(to, bytes);
    });
  }
  void fill(std::byte* to, int value, uint64_t bytes, StreamHandle stream) override {
    enqueue(stream, [=, this] {
      std::memset(to, value, bytes);
      if (value == 0) memory_.mark_written(to, bytes);  // poison stays unwritten
    });
  }
  bool is_device_memory(const void* memory) override {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    const auto* at = static_cast<const std::byte*>(memory);
    const auto it = blocks_.upper_bound(const_cast<std::byte*>(at));
    if (it == blocks_.begin()) return false;
    const auto& [start, bytes] = *std::prev(it);
    return at < start + bytes;
  }

  ModuleHandle load_module(std::span<const std::byte> code) override {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    const std::string path = concat(folder_, "/", modules_.size(), ".so");
    write_file(path, code);
    modules_.push_back(std::make_unique<emulator::Module>(path));
    return modules_.size();
  }
  void unload_module(ModuleHandle) noexcept override {}
  // As the driver's: what is asked for last holds.
  FunctionHandle find_function(ModuleHandle module, const char* name, uint32_t bytes) override {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    if (modules_.at(module - 1)->find(name) == nullptr)
      throw Error(ErrorCode::kDeviceError, concat("the module has no kernel ", name));
    most_shared_[module] = bytes;
    return module;
  }
  FunctionUse use_of(FunctionHandle) override { return {}; }
  void launch(const KernelLaunch& launch, StreamHandle stream) override {
    check_launch(launch);
    std::vector<std::byte> params(launch.params.begin(), launch.params.end());
    enqueue(stream, [this, launch, params = std::move(params)] {
      ++counts.launches;
      const emulator::LaunchOptions options{
          .grid = {launch.grid[0], launch.grid[1], launch.grid[2]},
          .threads = launch.threads,
          .shared_bytes = launch.shared_bytes,
          .params = params,
          .seed = 0,
          .dependent = launch.waits_for_predecessor};
      const emulator::Outcome outcome =
          emulator::launch(*modules_.at(launch.function - 1), "entry", memory_, options);
      if (outcome.fault != emulator::Fault::kNone)
        throw Error(ErrorCode::kDeviceError,
                    concat("emulated kernel: ", emulator::fault_name(outcome.fault), ": ",
                           outcome.message));
    });
  }

  StreamHandle create_stream() override { return ++streams_; }
  void destroy_stream(StreamHandle) noexcept override {}
  void synchronize(StreamHandle stream) override {
    refuse_while_recorded(stream);
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    busy_.erase(stream);
  }
  bool is_capturing(StreamHandle stream) override { return captures_.count(stream) != 0; }
  EventHandle create_event() override { return 1; }
  void destroy_event(EventHandle) noexcept override {}
  void record(EventHandle, StreamHandle) override {}
  void wait(EventHandle, StreamHandle stream) override { refuse_while_recorded(stream); }

  void begin_capture(StreamHandle stream) override {
    ++counts.captures;
    captures_[stream];
  }
  GraphHandle end_capture(StreamHandle stream) override {
    graphs_.push_back(std::move(captures_.at(stream)));
    captures_.erase(stream);
    return graphs_.size();
  }
  void launch_graph(GraphHandle graph, StreamHandle stream) override {
    ++counts.replays;
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    busy_.insert(stream);
    for (const auto& work : graphs_.at(graph - 1)) run(work);
  }
  void destroy_graph(GraphHandle) noexcept override {}

  EmulatedCounts counts;
  void set_room(uint64_t bytes) { room_ = bytes; }
  void set_chip(int major, int minor) {
    properties_.major = major;
    properties_.minor = minor;
  }
  bool is_idle() const { return busy_.empty(); }
  bool is_written(const void* memory, uint64_t bytes) const {
    return memory_.first_unwritten(memory, bytes) < 0;
  }

 private:
  using Work = std::function<void()>;

  // Opens the device's memory to what copies and kernels do.
  class Opened {
   public:
    explicit Opened(const Device& device) : device_(device) { set(PROT_READ | PROT_WRITE); }
    ~Opened() { set(PROT_NONE); }
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;

   private:
    void set(int access) const {
      for (const auto& [block, bytes] : device_.blocks_) mprotect(block, bytes + 1, access);
    }
    const Device& device_;
  };

  void run(const Work& work) const {
    const Opened opened(*this);
    work();
  }

  void refuse_while_recorded(StreamHandle stream) const {
    if (captures_.count(stream) != 0)
      throw Error(ErrorCode::kDeviceError, "the stream is being recorded");
  }

  // What the driver knows of a kernel.
  void check_launch(const KernelLaunch& launch) {
    const auto most = most_shared_.find(launch.function);
    if (launch.shared_bytes > std::max(48U << 10, most->second))
      throw Error(ErrorCode::kDeviceError, "more shared memory than was asked for");
    const void* bytes = modules_.at(launch.function - 1)->find("planish_params_bytes");
    if (bytes == nullptr || launch.params.size() != *static_cast<const unsigned*>(bytes))
      throw Error(ErrorCode::kDeviceError, "the parameters are not the kernel's");
  }

  // Done at once, or kept for the graph that the stream records.
  void enqueue(StreamHandle stream, Work work) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    const auto it = captures_.find(stream);
    if (it != captures_.end()) {
      it->second.push_back(std::move(work));
      return;
    }
    busy_.insert(stream);
    run(work);
  }

  DeviceProperties properties_;
  std::string folder_;
  std::recursive_mutex mutex_;
  emulator::Memory memory_;
  std::map<std::byte*, uint64_t> blocks_;
  std::vector<std::unique_ptr<emulator::Module>> modules_;
  std::map<ModuleHandle, uint32_t> most_shared_;
  std::map<StreamHandle, std::vector<Work>> captures_;
  std::set<StreamHandle> busy_;  // with work that nobody has waited for
  std::vector<std::vector<Work>> graphs_;
  uint64_t room_ = uint64_t{1} << 32;
  StreamHandle streams_ = 0;
};

class EmulatedGpu::EmulatedDriver final : public Driver {
 public:
  explicit EmulatedDriver(std::shared_ptr<Device> device) : device_(std::move(device)) {}
  int version() const override { return 13000; }
  int device_count() const override { return 1; }
  std::shared_ptr<DriverDevice> open(int device) override {
    if (device != 0)
      throw Error(ErrorCode::kDeviceError, concat("there is no device cuda:", device));
    return device_;
  }

 private:
  std::shared_ptr<Device> device_;
};

EmulatedGpu::EmulatedGpu() : device_(std::make_shared<Device>()) {
  static const auto kCompiler = std::make_shared<const HostCompiler>();
  compiler_ = kCompiler;
  install_driver(std::make_shared<EmulatedDriver>(device_));
}

EmulatedGpu::~EmulatedGpu() { install_driver(nullptr); }

const EmulatedCounts& EmulatedGpu::counts() const { return device_->counts; }
bool EmulatedGpu::is_idle() const { return device_->is_idle(); }
DriverDevice& EmulatedGpu::device() const { return *device_; }
void EmulatedGpu::set_chip(int major, int minor) { device_->set_chip(major, minor); }
bool EmulatedGpu::is_written(const void* memory, uint64_t bytes) const {
  return device_->is_written(memory, bytes);
}
void EmulatedGpu::set_memory(uint64_t bytes) { device_->set_room(bytes); }

}  // namespace planish::cuda
