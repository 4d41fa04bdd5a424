// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/module_builder.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "backend/cuda/compile/compile_cache.h"
#include "base/hash.h"
#include "base/str.h"
#include "runtime/thread_pool.h"

namespace planish::cuda {
namespace {

struct Job {
  const std::string* key = nullptr;
  const std::string* source = nullptr;
  size_t target = 0;
  Code code;
};

std::string cache_key(const Job& job, const Target& target, const KernelCompiler& compiler) {
  // The key of a kernel covers its source and all templates.
  return Hasher()
      .add(*job.key)
      .add(target.name())
      .add(compiler.version())
      .add(compiler.flags())
      .digest128()
      .hex();
}

void make(Job& job, const Target& target, const KernelCompiler& compiler,
          const CompileCache& cache) {
  const std::string key = cache_key(job, target, compiler);
  if (std::optional<Code> kept = cache.find(key)) {
    job.code = std::move(*kept);
    return;
  }
  job.code = compiler.compile(*job.source, target);
  cache.keep(key, job.code);
}

}  // namespace

void build_modules(const Lowering& lowering, const KernelCompiler& compiler, const Options& options,
                   const passes::PassContext& context, plan::Plan& plan) {
  std::vector<Job> jobs;
  for (size_t t = 0; t < lowering.targets.size(); ++t)
    for (const auto& [key, source] : lowering.sources) jobs.push_back({&key, &source, t, {}});
  const CompileCache cache(options.kernel_cache);
  const size_t cores = options.threads > 0 ? static_cast<size_t>(options.threads)
                                           : std::max(1U, std::thread::hardware_concurrency());
  ThreadPool pool(static_cast<int>(std::min(cores, std::max<size_t>(1, jobs.size()))));
  pool.parallel_for(static_cast<int64_t>(jobs.size()), [&](int64_t i, int slot) {
    // Slot 0 is the caller's thread, the only one that may ask the caller.
    if (slot == 0 && context.check_cancelled) context.check_cancelled();
    Job& job = jobs[static_cast<size_t>(i)];
    make(job, lowering.targets[job.target], compiler, cache);
  });
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
