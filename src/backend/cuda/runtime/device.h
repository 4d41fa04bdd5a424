// SPDX-License-Identifier: Apache-2.0
// The runtime's device interface on a GPU: an engine's weights and machine code, a context's
// stream.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cuda/runtime/driver.h"
#include "backend/cuda/runtime/launch_layout.h"
#include "plan/plan.h"
#include "runtime/device.h"
#include "runtime/engine_options.h"

namespace planish::cuda {

class CudaSession;

// Steps whose kernels look at indices: such a kernel stores its step's number where one is out of
// range. Any thread may ask.
class FaultSites {
 public:
  struct Site {
    std::string op, node;
  };
  int32_t add(const std::string& op, const std::string& node);  // from 1 on
  Site find(int32_t number) const;

 private:
  mutable std::mutex mutex_;
  std::vector<Site> sites_;
};

class CudaEngine final : public DeviceEngine {
 public:
  // Checks the plan's target against the device that the options name.
  CudaEngine(const plan::Plan& plan, const EngineOptions& options);
  ~CudaEngine() override;
  CudaEngine(const CudaEngine&) = delete;
  CudaEngine& operator=(const CudaEngine&) = delete;

  std::vector<std::byte*> upload(std::span<const Tensor* const> tensors) override;
  std::unique_ptr<DeviceSession> make_session() const override;

  // The kernel of the plan with this key, its module loaded once. Any thread may call it.
  FunctionHandle function(std::string_view key, uint32_t shared_bytes);
  DriverDevice& device() const { return *device_; }
  FaultSites& fault_sites() const { return *sites_; }

 private:
  struct Module {
    ModuleHandle handle = 0;
    uint32_t shared_bytes = 0;  // the most that its kernel is launched with
  };

  std::shared_ptr<DriverDevice> device_;
  std::map<std::string, std::span<const std::byte>, std::less<>> codes_;
  std::vector<std::byte*> weights_;
  std::mutex mutex_;
  std::map<std::string, Module, std::less<>> modules_;
  std::shared_ptr<FaultSites> sites_ = std::make_shared<FaultSites>();
};

class CudaSession final : public DeviceSession {
 public:
  CudaSession(std::shared_ptr<DriverDevice> device, std::shared_ptr<const FaultSites> sites);
  ~CudaSession() override;
  CudaSession(const CudaSession&) = delete;
  CudaSession& operator=(const CudaSession&) = delete;

  void begin(std::optional<void*> stream) override;
  void end() override;
  bool may_record() const override { return !is_capturing_; }
  void begin_recording() override;
  std::unique_ptr<DeviceRecording> end_recording() override;
  void abandon_recording() noexcept override;
  void replay(DeviceRecording& recording) override;
  std::shared_ptr<std::byte> allocate(uint64_t bytes) override;
  void fill(std::byte* memory, int value, uint64_t bytes) override;
  bool is_device_memory(const void* memory) const override;
  void read(void* to, const void* from, uint64_t bytes) override;
  void wait_for_copies() override;
  void wait() override;

  void copy(void* to, const void* from, uint64_t bytes);
  // The same, to memory that host code may read after wait_for_copies().
  void copy_to_host(void* to, const void* from, uint64_t bytes);
  void launch(const KernelLaunch& launch);
  // kZeroBytes that kernels find and leave zero.
  std::byte* zeros() const { return zeros_.get(); }
  // An i32 that kernels set to their step's number when they meet an index out of range. 0 when a
  // run begins; wait() reports it.
  std::byte* fault() {
    has_fault_ = true;
    return fault_word();
  }

 private:
  // What is allocated may outlive the session: it waits for the stream that may still use it.
  struct Stream;

  std::byte* fault_word() const { return zeros_.get() + kZeroBytes; }
  void check_fault();

  std::shared_ptr<DriverDevice> device_;
  std::shared_ptr<const FaultSites> sites_;
  std::shared_ptr<Stream> own_;
  EventHandle done_ = 0;
  std::shared_ptr<std::byte> zeros_;
  StreamHandle active_ = 0;
  StreamHandle recorded_from_ = 0;
  StreamHandle last_ = 0;
  bool has_last_ = false;
  bool is_capturing_ = false;  // the caller records the active stream
  bool has_copies_ = false;
  // What was enqueued last is no kernel, so the next one may not begin under its end.
  bool is_after_copy_ = true;
  bool has_fault_ = false;  // a kernel may set it
};

// For step kernels: those of this backend's engine and of its contexts. Throws kInvalidPlan if the
// engine has another device.
CudaEngine& engine_of(DeviceEngine* device);

}  // namespace planish::cuda
