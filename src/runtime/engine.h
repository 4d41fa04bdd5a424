// SPDX-License-Identifier: Apache-2.0
// A plan made ready to run. Immutable and shared: any number of threads may make contexts of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.h"
#include "runtime/engine_options.h"

namespace planish {

class Context;
struct ContextOptions;
struct EngineCode;

struct ArenaReport {
  std::string profile;       // empty: the engine has none, fixed shapes or the symbols' greatest
  uint64_t arena_bytes = 0;  // at the profile's greatest shapes
  uint64_t lower_bound = 0;  // no placement can do with less
  bool bounded = true;       // false: a dimension has no greatest value; the bytes are of its least
};

struct MemoryReport {
  uint64_t weight_bytes = 0;
  std::vector<ArenaReport> arenas;  // one a profile, at least one
};

// The threads that an engine with this option computes a run with: 0 or less means one a core that
// the process may use.
int resolve_threads(int threads);

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Checks the target and that all step kernels exist. Throws kVersionMismatch if this machine or
  // this build of Planish cannot run the plan, and kInvalidPlan if the plan is wrong.
  static std::shared_ptr<Engine> create(plan::Plan plan, EngineOptions options = {});
  // Reads a plan file; `map` maps its weights instead of reading them.
  static std::shared_ptr<Engine> load(const std::string& path, EngineOptions options = {},
                                      bool map = true);
  ~Engine();

  const plan::Plan& plan() const { return plan_; }
  const EngineOptions& options() const { return options_; }
  const std::vector<plan::Port>& inputs() const { return plan_.inputs; }
  const std::vector<plan::Port>& outputs() const { return plan_.outputs; }
  // -1 if there is none.
  int find_input(std::string_view name) const;
  int find_output(std::string_view name) const;
  int find_profile(std::string_view name) const;

  // The first context checks the weights' hashes and makes the kernels (which pack weights); that
  // work is done once, and may throw kInvalidPlan.
  std::unique_ptr<Context> create_context(const ContextOptions& options) const;
  std::unique_ptr<Context> create_context() const;
  void prepare() const;

  MemoryReport memory() const;

 private:
  Engine(plan::Plan plan, EngineOptions options);
  const EngineCode& code() const;

  plan::Plan plan_;
  EngineOptions options_;
  struct Lazy;
  std::unique_ptr<Lazy> lazy_;
};

}  // namespace planish
