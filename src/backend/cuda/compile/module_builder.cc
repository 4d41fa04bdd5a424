// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/module_builder.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "backend/cuda/compile/compile_cache.h"
#include "base/hash.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

struct Job {
  const std::string* key = nullptr;
  const std::string* source = nullptr;
  size_t target = 0;
  Code code;
  bool from_cache = false;
};

std::string cache_key(const Job& job, const Target& target, const KernelCompiler& compiler) {
  // The key of a kernel covers its source and all templates.
  return Hasher().add(*job.key).add(target.name()).add(compiler.version()).digest128().hex();
}

class Pool {
 public:
  Pool(std::vector<Job>& jobs, const std::vector<Target>& targets, const KernelCompiler& compiler,
       const CompileCache& cache)
      : jobs_(jobs), targets_(targets), compiler_(compiler), cache_(cache) {}

  void run(size_t threads) {
    std::vector<std::thread> workers;
    for (size_t i = 1; i < threads; ++i) workers.emplace_back([this] { work(); });
    work();
    for (std::thread& worker : workers) worker.join();
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  void work() {
    for (size_t i = next_++; i < jobs_.size() && !failed_; i = next_++) {
      try {
        make(jobs_[i]);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (error_ == nullptr) error_ = std::current_exception();
        failed_ = true;
      }
    }
  }

  void make(Job& job) {
    const Target& target = targets_[job.target];
    const std::string key = cache_key(job, target, compiler_);
    if (std::optional<Code> kept = cache_.find(key)) {
      job.code = std::move(*kept);
      job.from_cache = true;
      return;
    }
    job.code = compiler_.compile(*job.source, target);
    cache_.keep(key, job.code);
  }

  std::vector<Job>& jobs_;
  const std::vector<Target>& targets_;
  const KernelCompiler& compiler_;
  const CompileCache& cache_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void build_modules(const Lowering& lowering, const KernelCompiler& compiler, const Options& options,
                   const passes::PassContext& context, plan::Plan& plan) {
  std::vector<Job> jobs;
  for (size_t t = 0; t < lowering.targets.size(); ++t)
    for (const auto& [key, source] : lowering.sources)
      jobs.push_back({&key, &source, t, {}, false});
  const CompileCache cache(options.kernel_cache);
  const size_t cores = options.threads > 0 ? static_cast<size_t>(options.threads)
                                           : std::max(1U, std::thread::hardware_concurrency());
  if (context.check_cancelled) context.check_cancelled();
  Pool(jobs, lowering.targets, compiler, cache)
      .run(std::min(cores, std::max<size_t>(1, jobs.size())));
  for (size_t t = 0; t < lowering.targets.size(); ++t) {
    std::map<std::string, Code> codes;
    for (Job& job : jobs) {
      if (job.target != t) continue;
      codes.emplace(*job.key, std::move(job.code));
    }
    const auto bytes = std::make_shared<const std::vector<std::byte>>(write_archive(codes));
    plan.sections.push_back({section_name(lowering.targets[t].name()), {*bytes, bytes}});
  }
  plan.report.push_back({"kernels",
                         compiler.version(),
                         {{"kernels", std::to_string(lowering.sources.size())},
                          {"targets", std::to_string(lowering.targets.size())},
                          {"files_hash", kernel_files_hash()}}});
}

}  // namespace planish::cuda
