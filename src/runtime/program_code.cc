// SPDX-License-Identifier: Apache-2.0
#include "runtime/program_code.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/checked.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish {
namespace {

using plan::Storage;

// Fills one ProgramCode.
class ProgramCoder {
 public:
  ProgramCoder(const EngineCode& engine, const plan::SymbolSet& around, ProgramCode& code)
      : engine_(engine), around_(around), code_(code), program_(*code.program) {}

  void run() {
    code_.bound = plan::symbols_bound_by_inputs(program_, around_);
    for (const plan::Value& value : program_.values) add_value(value);
    add_steps();
    add_lifetimes();
    add_outputs();
    add_releases();
    for (size_t v = 0; v < code_.values.size(); ++v)
      if (is_alias_of(v, Storage::kInput)) code_.input_aliases.push_back(static_cast<int32_t>(v));
    add_inherited();
  }

 private:
  ValueCode& value(int32_t v) { return code_.values[static_cast<size_t>(v)]; }
  const plan::Value& source(int32_t v) const { return program_.values[static_cast<size_t>(v)]; }

  bool is_alias_of(size_t v, Storage storage) const {
    const ValueCode& code = code_.values[v];
    return code.storage == Storage::kAlias && source(code.root).storage == storage;
  }

  int32_t expression(const Dim& dim) {
    const auto [it, is_new] =
        numbers_.try_emplace(dim.to_string(), static_cast<int32_t>(code_.expressions.size()));
    if (is_new) {
      code_.expressions.push_back(dim);
      code_.expression_is_known.push_back(
          plan::has_known_dims(Type::tensor(DType::kF32, {dim}), code_.bound));
    }
    return it->second;
  }

  void add_value(const plan::Value& source) {
    const auto v = static_cast<int32_t>(code_.values.size());
    ValueCode code{.storage = source.storage, .root = v};
    code.is_device = source.memory == plan::Memory::kDevice;
    if (source.storage == Storage::kAlias) {
      code.root = source.index;
      code.offset = expression(source.offset);
    }
    if (source.type.is_tensor()) code.dtype = source.type.dtype;
    if (source.type.has_rank()) {
      code.rank = static_cast<int32_t>(source.type.shape->size());
      code.first_dim = static_cast<int32_t>(code_.dims.size());
      for (const Dim& d : *source.type.shape) code_.dims.push_back(expression(d));
    }
    code.is_known =
        source.storage != Storage::kDynamic && plan::has_known_dims(source.type, code_.bound);
    code_.values.push_back(code);
  }

  // Aliases that are in place already, and concatenations of pieces of their result.
  bool has_nothing_to_do(const plan::Step& step) const {
    if (step.kernel != "alias" || step.outputs.size() != 1 || step.outputs[0] < 0) return false;
    const plan::Value& out = source(step.outputs[0]);
    if (out.storage == Storage::kAlias) return true;
    if (out.storage != Storage::kPlanned || step.inputs.empty()) return false;
    return std::all_of(step.inputs.begin(), step.inputs.end(), [&](int32_t in) {
      return in >= 0 && source(in).storage == Storage::kAlias &&
             source(in).index == step.outputs[0];
    });
  }

  void add_steps() {
    plan::SymbolSet seen = code_.bound;
    for (size_t i = 0; i < program_.steps.size(); ++i) {
      const plan::Step& step = program_.steps[i];
      for (int32_t v : step.outputs)
        if (v >= 0) value(v).is_symbolic = plan::has_known_dims(source(v).type, seen);
      if (!has_nothing_to_do(step)) {
        StepCode code;
        code.step = &step;
        code.index = static_cast<int32_t>(i);
        const auto known = [&](int32_t v) { return v < 0 || value(v).is_known; };
        code.is_static = std::all_of(step.inputs.begin(), step.inputs.end(), known) &&
                         std::all_of(step.outputs.begin(), step.outputs.end(), known);
        for (const plan::Subprogram& sub : step.subprograms)
          code.captured.insert(code.captured.end(), sub.captured.begin(), sub.captured.end());
        code_.steps.push_back(std::move(code));
      }
      for (int32_t v : step.outputs)
        if (v >= 0) add_symbols(source(v).type, seen);
    }
  }

  static void add_symbols(const Type& type, plan::SymbolSet& seen) {
    if (!type.has_rank()) return;
    for (const Dim& d : *type.shape)
      if (d.is_symbol()) seen.insert(d.symbol_name());
  }

  void touch(int32_t v, int32_t step, bool is_written) {
    if (v < 0) return;
    ValueCode& root = value(value(v).root);
    if (is_written && root.last_step < 0) root.first_step = step;
    root.last_step = std::max(root.last_step, step);
  }

  void add_lifetimes() {
    for (size_t i = 0; i < code_.steps.size(); ++i) {
      const StepCode& step = code_.steps[i];
      const auto at = static_cast<int32_t>(i);
      for (int32_t v : step.step->outputs) touch(v, at, true);
      for (int32_t v : step.step->inputs) touch(v, at, false);
      for (int32_t v : step.captured) touch(v, at, false);
    }
  }

  void add_outputs() {
    for (int32_t v : program_.outputs) {
      OutputCode out{.value = v, .root = value(v).root};
      ValueCode& root = value(out.root);
      const bool starts_at_root =
          value(v).offset < 0 || code_.expressions[static_cast<size_t>(value(v).offset)] == Dim(0);
      if (root.storage == Storage::kPlanned && !root.is_output && starts_at_root) {
        out.owns_root = true;
        root.is_output = true;
      }
      code_.outputs.push_back(out);
    }
  }

  void add_releases() {
    std::vector<bool> is_kept(code_.values.size(), false);
    for (int32_t v : program_.outputs) is_kept[static_cast<size_t>(v)] = true;
    for (size_t v = 0; v < code_.values.size(); ++v) {
      const ValueCode& code = code_.values[v];
      if (code.storage != Storage::kDynamic || is_kept[v] || code.last_step < 0) continue;
      code_.steps[static_cast<size_t>(code.last_step)].releases.push_back(static_cast<int32_t>(v));
    }
  }

  void add_inherited() {
    std::map<std::string, DimRange> used;
    for (size_t e = 0; e < code_.expressions.size(); ++e)
      if (code_.expression_is_known[e]) code_.expressions[e].collect_symbols(used);
    for (const auto& [name, range] : used)
      if (around_.count(name) != 0) code_.inherited.push_back(engine_.symbols.find(name)->second);
  }

  const EngineCode& engine_;
  const plan::SymbolSet& around_;
  ProgramCode& code_;
  const plan::Program& program_;
  std::map<std::string, int32_t> numbers_;
};

// What a subprogram takes from around has to be there in the program that runs it. Subprograms come
// after their program.
void inherit_for_subprograms(EngineCode& code, const std::vector<plan::SymbolSet>& around) {
  for (size_t p = code.programs.size(); p-- > 0;) {
    ProgramCode& program = code.programs[p];
    std::set<int32_t> needed(program.inherited.begin(), program.inherited.end());
    for (const plan::Step& step : program.program->steps)
      for (const plan::Subprogram& sub : step.subprograms)
        for (int32_t s : code.programs[static_cast<size_t>(sub.program)].inherited)
          if (around[p].count(code.plan->symbols[static_cast<size_t>(s)].name) != 0)
            needed.insert(s);
    program.inherited.assign(needed.begin(), needed.end());
  }
}

// Splats are filled here, so a small plan could ask for any amount of memory.
void expand_constants(const plan::Plan& plan, const EngineOptions& options, EngineCode& code) {
  uint64_t filled = 0;
  for (const plan::Constant& c : plan.constants) {
    if (c.is_splat) {
      filled =
          checked_add(filled, dtype_bytes(c.dtype(), element_count(c.dims)), "filled constants");
      check_budget(filled, static_cast<uint64_t>(options.limits.value_bytes),
                   "bytes of constants whose elements are equal", "max_value_bytes");
    }
    code.constants.push_back(plan::expand(c));
  }
}

struct KernelPlace {
  const ProgramCode* program;
  StepCode* step;
};

// No kernel may see an address of the other memory. Where nothing is computed, it does not matter.
void check_memory(const StepInfo& info, const KernelPlace& place) {
  if (info.step().kernel == "alias") {
    for (int32_t v : info.step().outputs)
      info.require(v < 0 || !place.program->values[static_cast<size_t>(v)].is_device,
                   "a copy in device memory");
  }
  const StepMemory memory = place.step->kernel->memory();
  const auto check = [&](const std::vector<int32_t>& values, plan::Memory wanted) {
    for (int32_t v : values)
      info.require(v < 0 || place.program->values[static_cast<size_t>(v)].is_device ==
                                (wanted == plan::Memory::kDevice),
                   concat("value ", v, " is in the wrong memory"));
  };
  check(info.step().inputs, memory.inputs);
  check(info.step().outputs, memory.outputs);
}

void make_kernel(const EngineCode& code, const KernelPlace& place) {
  const plan::Step& step = *place.step->step;
  const StepInfo info(*code.plan, *place.program->program, step, code.constants, code.options,
                      code.device.get());
  const StepKernelFactory factory = find_step_kernel(step.kernel);
  if (factory == nullptr)
    throw Error(ErrorCode::kVersionMismatch,
                concat("step \"", step.node, "\": this build of Planish has no kernel \"",
                       step.kernel, "\""),
                step.node, "build the plan again with this version of Planish");
  place.step->kernel = factory(info);
  check_memory(info, place);
  if (place.step->kernel->makes_outputs()) return;
  for (int32_t v : step.outputs) {
    if (v < 0) continue;
    const ValueCode& out = place.program->values[static_cast<size_t>(v)];
    info.require(out.is_known || (out.is_symbolic && dtype_bits(out.dtype) != 0),
                 concat("output value ", v, " has no size that is known before the step runs"));
  }
}

void make_kernels(EngineCode& code) {
  std::vector<KernelPlace> places;
  for (ProgramCode& program : code.programs)
    for (StepCode& step : program.steps) places.push_back({&program, &step});
  code.pool->parallel_for(static_cast<int64_t>(places.size()),
                          [&](int64_t i) { make_kernel(code, places[static_cast<size_t>(i)]); });
}

// Runs of steps that are worth recording.
void find_segments(ProgramCode& program) {
  const auto is_recordable = [&](size_t i) {
    return program.steps[i].is_static && program.steps[i].kernel->is_recordable();
  };
  for (size_t i = 0; i < program.steps.size();) {
    Segment segment{i, i};
    while (segment.end < program.steps.size() && is_recordable(segment.end)) ++segment.end;
    i = std::max(segment.end, i + 1);
    if (segment.end - segment.first >= 2) program.segments.push_back(segment);
  }
}

bool uses_device(const plan::Plan& plan) {
  for (const plan::Program& program : plan.programs)
    for (const plan::Value& value : program.values)
      if (value.memory == plan::Memory::kDevice) return true;
  return false;
}

void open_device(const plan::Plan& plan, const EngineOptions& options, EngineCode& code) {
  if (!uses_device(plan)) return;
  const BackendInfo* backend = find_backend(plan.target.backend);
  if (backend == nullptr || backend->make_device == nullptr)
    throw Error(ErrorCode::kInvalidPlan,
                concat("the plan has values in device memory, which the backend \"",
                       plan.target.backend, "\" does not have"));
  code.device = backend->make_device(plan, options);
}

// Each constant once, whatever number of values name it.
void upload_constants(const plan::Plan& plan, EngineCode& code) {
  code.constants_on_device.assign(code.constants.size(), nullptr);
  std::set<int32_t> wanted;
  for (const plan::Program& program : plan.programs)
    for (const plan::Value& value : program.values)
      if (value.storage == Storage::kConstant && value.memory == plan::Memory::kDevice)
        wanted.insert(value.index);
  if (wanted.empty()) return;
  std::vector<const Tensor*> tensors;
  for (int32_t c : wanted) {
    const Tensor& t = code.constants[static_cast<size_t>(c)];
    if (t.dtype() == DType::kString)
      throw Error(ErrorCode::kInvalidPlan, concat("constant ", c, " has strings on a device"));
    tensors.push_back(&t);
  }
  const std::vector<std::byte*> places = code.device->upload(tensors);
  size_t next = 0;
  for (int32_t c : wanted) code.constants_on_device[static_cast<size_t>(c)] = places[next++];
}

}  // namespace

std::unique_ptr<EngineCode> make_engine_code(const plan::Plan& plan, const EngineOptions& options) {
  auto code = std::make_unique<EngineCode>();
  code->plan = &plan;
  code->options = options;
  code->pool =
      options.pool != nullptr ? options.pool : std::make_shared<ThreadPool>(options.threads);
  for (const plan::Symbol& s : plan.symbols)
    code->symbols.emplace(s.name, static_cast<int32_t>(code->symbols.size()));
  expand_constants(plan, options, *code);
  open_device(plan, options, *code);
  upload_constants(plan, *code);

  code->programs.resize(plan.programs.size());
  std::vector<plan::SymbolSet> around(plan.programs.size());
  for (size_t p = 0; p < plan.programs.size(); ++p) {
    ProgramCode& program = code->programs[p];
    program.program = &plan.programs[p];
    program.index = static_cast<int32_t>(p);
    ProgramCoder(*code, around[p], program).run();
    for (const plan::Step& step : plan.programs[p].steps)
      for (const plan::Subprogram& sub : step.subprograms)
        around[static_cast<size_t>(sub.program)] = program.bound;
  }
  inherit_for_subprograms(*code, around);
  make_kernels(*code);
  for (ProgramCode& program : code->programs) find_segments(program);
  return code;
}

}  // namespace planish
