// SPDX-License-Identifier: Apache-2.0
// A compiler that keeps what it has made, so that what the tuner compiled is not compiled again.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "backend/cuda/compile/kernel_compiler.h"

namespace planish::cuda {

class RememberingCompiler final : public KernelCompiler {
 public:
  explicit RememberingCompiler(std::shared_ptr<const KernelCompiler> compiler)
      : compiler_(std::move(compiler)) {}

  std::string version() const override { return compiler_->version(); }
  std::string flags() const override { return compiler_->flags(); }
  int least_driver() const override { return compiler_->least_driver(); }
  bool knows(const Target& target) const override { return compiler_->knows(target); }
  Code compile(const std::string& source, const Target& target) const override {
    const std::pair key(target.name(), source);
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = codes_.find(key); found != codes_.end()) return found->second;
    }
    Code code = compiler_->compile(source, target);
    const std::lock_guard lock(mutex_);
    return codes_.emplace(key, std::move(code)).first->second;
  }

 private:
  std::shared_ptr<const KernelCompiler> compiler_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<std::string, std::string>, Code> codes_;
};

}  // namespace planish::cuda
