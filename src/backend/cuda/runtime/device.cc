// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/runtime/device.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "backend/cuda/runtime/code_archive.h"
#include "backend/cuda/runtime/launch_layout.h"
#include "backend/cuda/runtime/target.h"
#include "base/checked.h"
#include "base/options.h"
#include "base/str.h"
#include "planish/error.h"
#include "runtime/step_kernel.h"

namespace planish::cuda {
namespace {

constexpr uint64_t kAlignment = 256;

std::string property(const plan::Plan& plan, const char* name) {
  const auto it = plan.target.properties.find(name);
  return it == plan.target.properties.end() ? std::string() : it->second;
}

std::string rebuild_hint(const plan::Plan& plan) {
  return plan.rebuild.empty() ? "build the model again for this device" : plan.rebuild;
}

void check_driver(const plan::Plan& plan, const Driver& driver) {
  const std::string least = property(plan, "least_driver");
  int version = 0;
  std::from_chars(least.data(), least.data() + least.size(), version);
  if (version > driver.version())
    throw Error(ErrorCode::kVersionMismatch,
                concat("the plan needs a driver for CUDA ", version_text(version),
                       ", this one is for ", version_text(driver.version())),
                "", "install a newer driver, or build the model again on this machine");
}

// The section of the best target for the device.
const plan::Section& code_section(const plan::Plan& plan, const DeviceProperties& chip) {
  std::vector<Target> targets;
  for (const std::string& name : split_list(property(plan, "targets")))
    if (const std::optional<Target> target = find_target(name)) targets.push_back(*target);
  const int best = best_target(targets, chip.major, chip.minor);
  if (best < 0)
    throw Error(ErrorCode::kVersionMismatch,
                concat("the plan was made for ", property(plan, "targets"), ", ", chip.name,
                       " is sm_", chip.major, chip.minor),
                "", rebuild_hint(plan));
  const std::string name = section_name(targets[static_cast<size_t>(best)].name());
  for (const plan::Section& section : plan.sections)
    if (section.name == name) return section;
  throw Error(ErrorCode::kInvalidPlan, concat("the plan has no section ", name));
}

void check_plan_target(const plan::Target& target, const EngineOptions& options) {
  if (options.device == "cpu")
    throw Error(ErrorCode::kVersionMismatch,
                concat("the plan was made for a GPU, the options ask for device ", options.device),
                "", "build the model for the CPU, or load the plan with device=cuda");
  if (target.properties.find("targets") == target.properties.end())
    throw Error(ErrorCode::kInvalidPlan, "the plan does not say which GPUs it was made for");
}

std::unique_ptr<DeviceEngine> make_device(const plan::Plan& plan, const EngineOptions& options) {
  return std::make_unique<CudaEngine>(plan, options);
}

const RegisterBackend kBackend({.name = "cuda",
                                .check = check_plan_target,
                                .make_device = make_device});

class GraphRecording final : public DeviceRecording {
 public:
  GraphRecording(std::shared_ptr<DriverDevice> device, GraphHandle graph)
      : device_(std::move(device)), graph_(graph) {}
  ~GraphRecording() override { device_->destroy_graph(graph_); }
  GraphRecording(const GraphRecording&) = delete;
  GraphRecording& operator=(const GraphRecording&) = delete;
  GraphHandle graph() const { return graph_; }

 private:
  std::shared_ptr<DriverDevice> device_;
  GraphHandle graph_;
};

}  // namespace

CudaEngine& engine_of(DeviceEngine* device) {
  auto* engine = dynamic_cast<CudaEngine*>(device);
  if (engine == nullptr) throw Error(ErrorCode::kInvalidPlan, "the plan's target is no GPU");
  return *engine;
}

CudaEngine::CudaEngine(const plan::Plan& plan, const EngineOptions& options) {
  const std::shared_ptr<Driver> found = driver();
  check_driver(plan, *found);
  device_ = found->open(device_number(options.device));
  codes_ = read_archive(code_section(plan, device_->properties()).data.bytes);
}

CudaEngine::~CudaEngine() {
  for (const auto& [key, module] : modules_) device_->unload_module(module.handle);
  for (std::byte* memory : weights_) device_->release(memory);
}

std::vector<std::byte*> CudaEngine::upload(std::span<const Tensor* const> tensors) {
  device_->make_current();
  uint64_t total = 0;
  std::vector<uint64_t> offsets;
  for (const Tensor* t : tensors) {
    offsets.push_back(total);
    total = checked_align_up(checked_add<uint64_t>(total, t->bytes(), "bytes of weights"),
                             kAlignment, "bytes of weights");
  }
  std::byte* memory = device_->allocate(total, true);
  weights_.push_back(memory);
  std::vector<std::byte*> places;
  for (size_t i = 0; i < tensors.size(); ++i) {
    places.push_back(memory + offsets[i]);
    device_->copy(places.back(), tensors[i]->data(), tensors[i]->bytes(), 0);
  }
  device_->synchronize(0);
  return places;
}

std::unique_ptr<DeviceSession> CudaEngine::make_session() const {
  return std::make_unique<CudaSession>(device_, sites_);
}

FunctionHandle CudaEngine::function(std::string_view key, uint32_t shared_bytes) {
  const auto code = codes_.find(key);
  if (code == codes_.end())
    throw Error(ErrorCode::kInvalidPlan, concat("the plan has no machine code ", key));
  device_->make_current();
  const std::lock_guard<std::mutex> lock(mutex_);
  auto module = modules_.find(key);
  if (module == modules_.end())
    module = modules_.emplace(std::string(key), Module{device_->load_module(code->second)}).first;
  // Whoever launches it with less can do with the most that anybody asked for.
  module->second.shared_bytes = std::max(module->second.shared_bytes, shared_bytes);
  return device_->find_function(module->second.handle, "entry", module->second.shared_bytes);
}

struct CudaSession::Stream {
  explicit Stream(std::shared_ptr<DriverDevice> of) : device(std::move(of)) {
    device->make_current();
    handle = device->create_stream();
  }
  ~Stream() { device->destroy_stream(handle); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  std::shared_ptr<DriverDevice> device;
  StreamHandle handle = 0;
};

CudaSession::CudaSession(std::shared_ptr<DriverDevice> device,
                         std::shared_ptr<const FaultSites> sites)
    : device_(std::move(device)),
      sites_(std::move(sites)),
      own_(std::make_shared<Stream>(device_)),
      active_(own_->handle) {
  done_ = device_->create_event();
  zeros_ = allocate(kZeroBytes + sizeof(int32_t));
  fill(zeros_.get(), 0, kZeroBytes + sizeof(int32_t));
  device_->synchronize(active_);
}

CudaSession::~CudaSession() { device_->destroy_event(done_); }

void CudaSession::begin(std::optional<void*> stream) {
  is_after_copy_ = true;
  device_->make_current();
  active_ = stream ? reinterpret_cast<StreamHandle>(*stream) : own_->handle;
  is_capturing_ = active_ != own_->handle && active_ != 0 && device_->is_capturing(active_);
  // What this context enqueued elsewhere comes first: its memory is the same. A stream that is
  // recorded cannot wait for what is not: the caller orders the recording.
  if (has_last_ && last_ != active_ && !is_capturing_) device_->wait(done_, active_);
  if (has_fault_) fill(fault_word(), 0, sizeof(int32_t));
}

void CudaSession::end() {
  if (is_capturing_) return;
  device_->record(done_, active_);
  last_ = active_;
  has_last_ = true;
}

void CudaSession::begin_recording() {
  // The caller's stream may be one that cannot be recorded.
  recorded_from_ = active_;
  active_ = own_->handle;
  is_after_copy_ = true;
  device_->begin_capture(active_);
}

std::unique_ptr<DeviceRecording> CudaSession::end_recording() {
  active_ = recorded_from_;
  return std::make_unique<GraphRecording>(device_, device_->end_capture(own_->handle));
}

void CudaSession::abandon_recording() noexcept {
  active_ = recorded_from_;
  try {
    if (const GraphHandle graph = device_->end_capture(own_->handle)) device_->destroy_graph(graph);
  } catch (const Error&) {
    // What broke the recording is reported by whoever abandons it.
  }
}

void CudaSession::replay(DeviceRecording& recording) {
  device_->launch_graph(static_cast<GraphRecording&>(recording).graph(), active_);
}

std::shared_ptr<std::byte> CudaSession::allocate(uint64_t bytes) {
  std::byte* memory = device_->allocate(bytes);
  // Giving memory back waits for the whole device.
  return {memory, [device = device_](std::byte* p) { device->release(p); }};
}

void CudaSession::fill(std::byte* memory, int value, uint64_t bytes) {
  device_->fill(memory, value, bytes, active_);
}

bool CudaSession::is_device_memory(const void* memory) const {
  return device_->is_device_memory(memory);
}

void CudaSession::read(void* to, const void* from, uint64_t bytes) {
  copy(to, from, bytes);
  device_->synchronize(active_);
}

void CudaSession::wait_for_copies() {
  if (!has_copies_) return;
  has_copies_ = false;
  device_->synchronize(active_);
}

void CudaSession::wait() {
  has_copies_ = false;
  if (is_capturing_) return;
  if (has_fault_) return check_fault();
  device_->synchronize(active_);
}

void CudaSession::check_fault() {
  int32_t fault = 0;
  read(&fault, fault_word(), sizeof(fault));
  if (fault == 0) return;
  fill(fault_word(), 0, sizeof(fault));
  const FaultSites::Site site = sites_->find(fault);
  throw Error(ErrorCode::kInvalidValue,
              concat(site.op, " node \"", site.node,
                     "\": an index is outside the axis that it counts along"),
              site.node);
}

int32_t FaultSites::add(const std::string& op, const std::string& node) {
  const std::lock_guard<std::mutex> lock(mutex_);
  sites_.push_back({op, node});
  return static_cast<int32_t>(sites_.size());
}

FaultSites::Site FaultSites::find(int32_t number) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto at = static_cast<size_t>(number) - 1;
  return at < sites_.size() ? sites_[at] : Site{};
}

void CudaSession::copy(void* to, const void* from, uint64_t bytes) {
  is_after_copy_ = true;
  device_->copy(to, from, bytes, active_);
}

void CudaSession::copy_to_host(void* to, const void* from, uint64_t bytes) {
  copy(to, from, bytes);
  has_copies_ = has_copies_ || !device_->is_device_memory(to);
}

void CudaSession::launch(const KernelLaunch& launch) {
  KernelLaunch ordered = launch;
  ordered.waits_for_predecessor = launch.waits_for_predecessor && !is_after_copy_;
  is_after_copy_ = false;
  device_->launch(ordered, active_);
}

}  // namespace planish::cuda
