// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/str.h"
#include "plan/reader.h"
#include "plan/verify.h"
#include "planish/error.h"
#include "runtime/context.h"
#include "runtime/frame.h"
#include "runtime/program_code.h"

namespace planish {
namespace {

int find_port(const std::vector<plan::Port>& ports, std::string_view name) {
  for (size_t i = 0; i < ports.size(); ++i)
    if (ports[i].name == name) return static_cast<int>(i);
  return -1;
}

void check_target(const plan::Plan& plan, const EngineOptions& options) {
  const BackendInfo* backend = find_backend(plan.target.backend);
  if (backend == nullptr)
    throw Error(ErrorCode::kVersionMismatch,
                concat("the plan is for the backend \"", plan.target.backend,
                       "\", which this build of Planish does not have"),
                {}, plan.rebuild.empty() ? "build the plan for another device" : plan.rebuild);
  if (backend->check != nullptr) backend->check(plan.target, options);
}

// Dims above this are no limit that anybody meant.
constexpr int64_t kGreatestMeant = int64_t{1} << 31;

// The shapes that a memory report is made for.
class ReportShapes {
 public:
  ReportShapes(const plan::Plan& plan, const plan::Profile* profile) : plan_(plan) {
    for (const plan::Symbol& s : plan.symbols) values_[s.name] = greatest(s.range);
    for (size_t i = 0; profile != nullptr && i < plan.inputs.size(); ++i) {
      const Dims& max = profile->inputs[i].max;
      for (size_t d = 0; d < max.size(); ++d)
        if (const Dim& dim = (*plan.inputs[i].type.shape)[d]; dim.is_symbol())
          values_[dim.symbol_name()] = max[d];
    }
    for (const plan::Port& port : plan.inputs) dims_.push_back(dims_of(port.type));
  }

  const std::vector<Dims>& dims() const { return dims_; }
  bool is_bounded() const { return is_bounded_; }

 private:
  static int64_t greatest(const DimRange& range) {
    return range.max <= kGreatestMeant ? range.max : kUnbound;
  }

  Dims dims_of(const Type& type) {
    Dims out;
    if (!type.has_rank()) return out;
    for (const Dim& dim : *type.shape) {
      const auto value = dim.evaluate([&](const std::string& name) -> std::optional<int64_t> {
        int64_t& v = values_[name];
        if (v != kUnbound) return v;
        is_bounded_ = false;
        for (const plan::Symbol& s : plan_.symbols)
          if (s.name == name) return std::max<int64_t>(1, s.range.min);
        return 1;
      });
      out.push_back(std::max<int64_t>(0, value.value_or(1)));
    }
    return out;
  }

  const plan::Plan& plan_;
  std::map<std::string, int64_t> values_;
  std::vector<Dims> dims_;
  bool is_bounded_ = true;
};

ArenaReport report_arena(const EngineCode& code, const plan::Profile* profile) {
  const ReportShapes shapes(*code.plan, profile);
  RunState run{.engine = code};
  if (code.device != nullptr) run.session = code.device->make_session();
  Frame frame(code.programs.front(), run);
  const InputDims dims(shapes.dims().begin(), shapes.dims().end());
  ArenaReport report{.profile = profile == nullptr ? std::string() : profile->name,
                     .bounded = shapes.is_bounded()};
  try {
    const Binding& binding = frame.lay_out(dims, SymbolValues(code.symbols.size(), kUnbound));
    report.arena_bytes = binding.arena_bytes + binding.device_bytes;
    report.lower_bound = binding.lower_bound + binding.device_lower_bound;
  } catch (const Error&) {
    // The least values that the symbols may take need not be shapes that the network can run.
    report.bounded = false;
  }
  return report;
}

}  // namespace

// What is made when the first context is.
struct Engine::Lazy {
  std::mutex mutex;
  std::unique_ptr<EngineCode> code;
  std::atomic<const EngineCode*> ready{nullptr};
};

Engine::Engine(plan::Plan plan, EngineOptions options)
    : plan_(std::move(plan)), options_(std::move(options)), lazy_(std::make_unique<Lazy>()) {}

std::shared_ptr<Engine> Engine::load(const std::string& path, EngineOptions options, bool map) {
  return create(plan::load_plan(path, map ? FileAccess::kMap : FileAccess::kCopy),
                std::move(options));
}

Engine::~Engine() = default;

std::shared_ptr<Engine> Engine::create(plan::Plan plan, EngineOptions options) {
  plan::verify(plan);
  check_target(plan, options);
  for (const plan::Program& program : plan.programs)
    for (const plan::Step& step : program.steps)
      if (find_step_kernel(step.kernel) == nullptr)
        throw Error(ErrorCode::kVersionMismatch,
                    concat("step \"", step.node, "\" needs the kernel \"", step.kernel,
                           "\", which this build of Planish does not have"),
                    step.node, "build the plan again with this version of Planish");
  options.threads = resolve_threads(options.threads);
  return std::shared_ptr<Engine>(new Engine(std::move(plan), std::move(options)));
}

int resolve_threads(int threads) {
  if (threads > 0) return threads;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

int Engine::find_input(std::string_view name) const { return find_port(plan_.inputs, name); }
int Engine::find_output(std::string_view name) const { return find_port(plan_.outputs, name); }

int Engine::find_profile(std::string_view name) const {
  for (size_t i = 0; i < plan_.profiles.size(); ++i)
    if (plan_.profiles[i].name == name) return static_cast<int>(i);
  return -1;
}

const EngineCode& Engine::code() const {
  if (const EngineCode* ready = lazy_->ready.load(std::memory_order_acquire)) return *ready;
  const std::lock_guard<std::mutex> lock(lazy_->mutex);
  if (lazy_->code == nullptr) {
    if (plan_.unchecked != nullptr) plan_.unchecked->run(options_.threads);
    lazy_->code = make_engine_code(plan_, options_);
    lazy_->ready.store(lazy_->code.get(), std::memory_order_release);
  }
  return *lazy_->code;
}

void Engine::prepare() const { code(); }

std::unique_ptr<Context> Engine::create_context() const { return create_context(ContextOptions{}); }

std::unique_ptr<Context> Engine::create_context(const ContextOptions& options) const {
  const int profiles = static_cast<int>(plan_.profiles.size());
  // An engine without profiles has one that allows everything.
  if (options.profile < kAnyProfile || options.profile >= std::max(profiles, 1))
    throw Error(ErrorCode::kInvalidArgument,
                concat("profile ", options.profile, " of an engine with ", std::max(profiles, 1)));
  const int profile = profiles == 0 ? kAnyProfile : options.profile;
  return std::unique_ptr<Context>(new Context(shared_from_this(), code(), profile));
}

MemoryReport Engine::memory() const {
  MemoryReport report{.weight_bytes = plan::weight_bytes(plan_)};
  try {
    code();
  } catch (const Error& error) {
    // A plan for a device that is not here: what it needs there is not known here.
    if (error.code() != ErrorCode::kDeviceError && error.code() != ErrorCode::kVersionMismatch)
      throw;
    report.arenas.push_back({.bounded = false});
    return report;
  }
  if (plan_.profiles.empty()) report.arenas.push_back(report_arena(code(), nullptr));
  for (const plan::Profile& profile : plan_.profiles)
    report.arenas.push_back(report_arena(code(), &profile));
  return report;
}

}  // namespace planish
