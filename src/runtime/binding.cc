// SPDX-License-Identifier: Apache-2.0
#include "runtime/binding.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/str.h"
#include "memory/planner.h"
#include "planish/error.h"
#include "runtime/frame.h"

namespace planish {

using plan::Storage;

std::optional<int64_t> evaluate(const EngineCode& engine, const Dim& dim,
                                const SymbolValues& symbols) {
  if (dim.is_constant()) return dim.value();
  return dim.evaluate([&](const std::string& name) -> std::optional<int64_t> {
    const auto it = engine.symbols.find(name);
    if (it == engine.symbols.end()) return std::nullopt;
    const int64_t value = symbols[static_cast<size_t>(it->second)];
    return value == kUnbound ? std::nullopt : std::optional<int64_t>(value);
  });
}

class Binder {
 public:
  Binder(RunState& run, const ProgramCode& program, Frame* frame)
      : engine_(run.engine),
        program_(program),
        frame_(frame),
        run_(run),
        owned_(std::make_unique<Binding>()),
        out_(*owned_) {}

  std::unique_ptr<Binding> run(const SymbolValues& around, const InputDims& inputs) {
    out_.symbols = around;
    for (const auto& dims : inputs) out_.input_dims.emplace_back(dims.begin(), dims.end());
    bind_symbols(inputs);
    evaluate_expressions();
    make_values(inputs);
    make_steps();
    plan_memory(false, out_.arena_bytes, out_.lower_bound);
    if (engine_.device != nullptr) plan_memory(true, out_.device_bytes, out_.device_lower_bound);
    out_.recordings.resize(program_.segments.size());
    return std::move(owned_);
  }

 private:
  const plan::Value& source(int32_t v) const {
    return program_.program->values[static_cast<size_t>(v)];
  }
  const ValueCode& code(int32_t v) const { return program_.values[static_cast<size_t>(v)]; }
  Datum& slot(int32_t v) { return out_.values[static_cast<size_t>(v)]; }

  [[noreturn]] void fail_input(size_t i, std::span<const int64_t> got,
                               const std::string& why) const {
    const plan::Value& value = source(program_.program->inputs[i]);
    const std::string where =
        program_.index == 0 ? "" : concat("program \"", program_.program->name, "\", ");
    throw Error(ErrorCode::kInvalidShape,
                concat(where, "input \"", value.name, "\": expected ", value.type.to_string(),
                       ", got ", dims_to_string(got), ": ", why));
  }

  void bind_symbols(const InputDims& inputs) {
    const auto& ids = program_.program->inputs;
    for (size_t i = 0; i < ids.size(); ++i) {
      const Type& type = source(ids[i]).type;
      if (!type.has_rank()) continue;
      if (inputs[i].size() != type.shape->size())
        fail_input(i, inputs[i],
                   concat("the rank is ", inputs[i].size(), ", not ", type.shape->size()));
      for (size_t d = 0; d < inputs[i].size(); ++d) {
        const Dim& dim = (*type.shape)[d];
        if (!dim.is_symbol()) continue;
        int64_t& value =
            out_.symbols[static_cast<size_t>(engine_.symbols.find(dim.symbol_name())->second)];
        if (value == kUnbound) value = inputs[i][d];
      }
    }
    for (size_t i = 0; i < ids.size(); ++i) check_dims(i, source(ids[i]).type, inputs[i]);
  }

  void check_dims(size_t i, const Type& type, std::span<const int64_t> dims) const {
    if (!type.has_rank()) return;
    for (size_t d = 0; d < dims.size(); ++d) {
      const Dim& dim = (*type.shape)[d];
      const std::optional<int64_t> expected = evaluate(engine_, dim, out_.symbols);
      if (expected == dims[d]) continue;
      // A dimension that nothing else binds may be anything.
      if (!expected && !plan::has_known_dims(Type::tensor(DType::kF32, {dim}), program_.bound))
        continue;
      std::string why = concat("dimension ", d, " is ", dims[d]);
      if (expected) why += concat(", expected ", *expected);
      if (!dim.is_constant()) why += concat(" (", dim.to_string(), " of another dimension)");
      fail_input(i, dims, why);
    }
  }

  void evaluate_expressions() {
    out_.expressions.assign(program_.expressions.size(), kUnbound);
    for (size_t e = 0; e < program_.expressions.size(); ++e) {
      if (!program_.expression_is_known[e]) continue;
      const auto value = evaluate(engine_, program_.expressions[e], out_.symbols);
      if (value) out_.expressions[e] = *value;
    }
  }

  Dims dims_of(int32_t v) const {
    Dims dims;
    dims.reserve(static_cast<size_t>(code(v).rank));
    for (int32_t d = 0; d < code(v).rank; ++d) {
      const auto e = static_cast<size_t>(
          program_.dims[static_cast<size_t>(code(v).first_dim) + static_cast<size_t>(d)]);
      const int64_t value = out_.expressions[e];
      if (value < 0)
        throw Error(ErrorCode::kInvalidShape,
                    value == kUnbound ? concat("value \"", source(v).name, "\": dimension ",
                                               program_.expressions[e].to_string(),
                                               " overflows 64 bits or divides by zero")
                                      : concat("value \"", source(v).name, "\": dimension ",
                                               program_.expressions[e].to_string(), " is ", value));
      dims.push_back(value);
    }
    return dims;
  }

  // A tensor of the value's type that has no memory yet.
  Tensor unplaced(int32_t v, Dims dims) const {
    const size_t bytes = dtype_bytes(code(v).dtype, element_count(dims));
    if (bytes > static_cast<size_t>(INT64_MAX))
      throw Error(ErrorCode::kOutOfMemory, concat("value \"", source(v).name, "\" ",
                                                  dims_to_string(dims), " does not fit in memory"));
    return Tensor(code(v).dtype, std::move(dims), nullptr, bytes, nullptr);
  }

  void make_values(const InputDims& inputs) {
    const size_t n = program_.values.size();
    out_.values.resize(n);
    out_.places.assign(n, 0);
    out_.offsets.assign(n, 0);
    for (int32_t v = 0; v < static_cast<int32_t>(n); ++v) {
      const ValueCode& value = code(v);
      if (value.storage == Storage::kConstant) {
        Tensor t = engine_.constants[static_cast<size_t>(source(v).index)];
        // Without an owner: whoever wants to keep it has to copy it.
        if (value.is_device)
          t.rebind(engine_.constants_on_device[static_cast<size_t>(source(v).index)], nullptr);
        else if (t.dtype() != DType::kString)
          t.rebind(t.data(), nullptr);
        slot(v) = std::move(t);
      } else if (value.storage == Storage::kInput) {
        const std::span<const int64_t> dims = inputs[static_cast<size_t>(source(v).index)];
        if (value.is_known && value.dtype != DType::kString)
          slot(v) = unplaced(v, Dims(dims.begin(), dims.end()));
      } else if (value.is_known) {
        slot(v) = unplaced(v, dims_of(v));
      }
    }
    for (int32_t v = 0; v < static_cast<int32_t>(n); ++v)
      if (code(v).storage == Storage::kAlias) check_alias(v);
  }

  void check_alias(int32_t v) {
    const int64_t offset = out_.expressions[static_cast<size_t>(code(v).offset)];
    const Tensor& root = std::get<Tensor>(slot(code(v).root).held);
    Tensor& alias = std::get<Tensor>(slot(v).held);
    if (offset < 0 || !range_within(static_cast<uint64_t>(offset), alias.bytes(), root.bytes()))
      throw Error(
          ErrorCode::kInvalidShape,
          concat("value \"", source(v).name, "\": ", alias.bytes(), " bytes from offset ", offset,
                 " are not inside \"", source(code(v).root).name, "\", which has ", root.bytes()));
    out_.offsets[static_cast<size_t>(v)] = static_cast<uint64_t>(offset);
    if (code(code(v).root).storage == Storage::kConstant && root.data() != nullptr)
      alias.rebind(const_cast<std::byte*>(root.data()) + offset, nullptr);
  }

  KnownTensor known(int32_t v) const {
    if (v < 0) return {};
    const auto* t = std::get_if<Tensor>(&out_.values[static_cast<size_t>(v)].held);
    if (t == nullptr) return {};
    return {.dtype = t->dtype(),
            .dims = t->dims(),
            .constant = code(v).storage == Storage::kConstant && !code(v).is_device ? t : nullptr};
  }

  void make_steps() {
    const size_t n = program_.steps.size();
    const EvaluateDim evaluate_dim = [&](const Dim& dim) {
      return evaluate(engine_, dim, out_.symbols);
    };
    out_.steps.resize(n);
    out_.bound.resize(n);
    out_.dynamic.resize(n);
    std::vector<KnownTensor> inputs, outputs;
    for (size_t i = 0; i < n; ++i) {
      const StepCode& step = program_.steps[i];
      StepContext& context = out_.steps[i];
      context.step_ = step.step;
      context.pool_ = engine_.pool.get();
      context.budget_ = &run_.budget;
      context.session_ = run_.session.get();
      context.frame_ = frame_;
      context.index_ = static_cast<int>(i);
      inputs.clear();
      outputs.clear();
      for (int32_t v : step.step->inputs) {
        context.inputs_.push_back(v < 0 ? nullptr : &slot(v));
        inputs.push_back(known(v));
      }
      for (int32_t v : step.step->outputs) {
        context.outputs_.push_back(v < 0 ? nullptr : &slot(v));
        outputs.push_back(known(v));
      }
      if (!step.is_static) continue;
      check_extents(*step.step, inputs);
      check_extents(*step.step, outputs);
      out_.bound[i] = step.kernel->bind(
          StepShapes(*step.step, inputs, outputs, engine_.pool->threads(), &evaluate_dim));
      context.state_ = out_.bound[i].state.get();
    }
  }

  bool is_in_arena(int32_t v) const {
    return code(v).storage == Storage::kPlanned && !code(v).is_output && code(v).last_step >= 0;
  }

  const Tensor& tensor(int32_t v) const {
    return std::get<Tensor>(out_.values[static_cast<size_t>(v)].held);
  }

  bool runs_on_device(size_t i) const {
    return program_.steps[i].kernel->memory().outputs == plan::Memory::kDevice;
  }

  void plan_memory(bool device, uint64_t& arena_bytes, uint64_t& lower_bound) {
    std::vector<memory::Buffer> buffers;
    std::vector<int32_t> buffer_of(program_.values.size(), -1);
    for (int32_t v = 0; v < static_cast<int32_t>(program_.values.size()); ++v) {
      if (!is_in_arena(v) || code(v).is_device != device) continue;
      buffer_of[static_cast<size_t>(v)] = static_cast<int32_t>(buffers.size());
      buffers.push_back({.bytes = tensor(v).bytes(),
                         .first_step = code(v).first_step,
                         .last_step = code(v).last_step});
    }
    std::vector<memory::InPlace> pairs;
    for (size_t i = 0; i < program_.steps.size(); ++i) add_pairs(i, buffer_of, pairs);
    const size_t first_scratch = buffers.size();
    for (size_t i = 0; i < program_.steps.size(); ++i)
      buffers.push_back({.bytes = runs_on_device(i) == device ? out_.bound[i].scratch_bytes : 0,
                         .first_step = static_cast<int32_t>(i),
                         .last_step = static_cast<int32_t>(i)});
    const memory::ArenaPlan plan = memory::plan_arena(buffers, pairs);
    arena_bytes = plan.arena_bytes;
    lower_bound = plan.lower_bound;
    for (size_t v = 0; v < buffer_of.size(); ++v)
      if (buffer_of[v] >= 0) out_.places[v] = plan.offsets[static_cast<size_t>(buffer_of[v])];
    out_.scratch.resize(program_.steps.size());
    for (size_t i = 0; i < program_.steps.size(); ++i)
      if (runs_on_device(i) == device) out_.scratch[i] = plan.offsets[first_scratch + i];
  }

  // Outputs that may take the place of an input which dies in step i.
  void add_pairs(size_t i, const std::vector<int32_t>& buffer_of,
                 std::vector<memory::InPlace>& pairs) const {
    const StepCode& step = program_.steps[i];
    if (!step.step->subprograms.empty()) return;
    const auto& inputs = step.step->inputs;
    for (size_t o = 0; o < step.step->outputs.size(); ++o) {
      const int32_t out = step.step->outputs[o];
      if (out < 0 || buffer_of[static_cast<size_t>(out)] < 0 ||
          code(out).first_step != static_cast<int32_t>(i))
        continue;
      for (size_t k = 0; k < inputs.size(); ++k) {
        const int32_t in = inputs[k];
        if (in < 0 || buffer_of[static_cast<size_t>(code(in).root)] < 0) continue;
        const int32_t root = code(in).root;
        if (code(root).last_step != static_cast<int32_t>(i) ||
            tensor(in).bytes() != tensor(root).bytes() ||
            tensor(in).bytes() != tensor(out).bytes() || !may_overwrite(step, o, root))
          continue;
        pairs.push_back({.out = buffer_of[static_cast<size_t>(out)],
                         .in = buffer_of[static_cast<size_t>(root)]});
      }
    }
  }

  // Every input that shares the root must allow it, and be read as a whole.
  bool may_overwrite(const StepCode& step, size_t output, int32_t root) const {
    for (size_t k = 0; k < step.step->inputs.size(); ++k) {
      const int32_t in = step.step->inputs[k];
      if (in < 0 || code(in).root != root) continue;
      if (tensor(in).bytes() != tensor(root).bytes() ||
          !step.kernel->may_overwrite(static_cast<int>(output), static_cast<int>(k)))
        return false;
    }
    return true;
  }

  const EngineCode& engine_;
  const ProgramCode& program_;
  Frame* frame_;
  RunState& run_;
  std::unique_ptr<Binding> owned_;
  Binding& out_;

  friend void place_in_arena(const ProgramCode&, Binding&, std::byte*, std::byte*);
  static void set_scratch(StepContext& context, std::span<std::byte> memory) {
    context.scratch_ = memory;
  }
};

void check_extents(const plan::Step& step, std::span<const KnownTensor> tensors) {
  constexpr int64_t kWidest = 16;  // bytes of an element
  for (const KnownTensor& t : tensors) {
    int64_t extent = kWidest;
    for (int64_t d : t.dims)
      if (d > 1 && !try_mul(extent, d, &extent))
        throw Error(ErrorCode::kBudgetExceeded,
                    concat("shape ", dims_to_string(t.dims), " reaches farther than 64 bits count"),
                    step.node);
  }
}

std::unique_ptr<Binding> bind_program(RunState& run, const ProgramCode& program,
                                      const SymbolValues& around, const InputDims& inputs,
                                      Frame* frame) {
  return Binder(run, program, frame).run(around, inputs);
}

void place_in_arena(const ProgramCode& program, Binding& binding, std::byte* base,
                    std::byte* device) {
  if (binding.device_base != device)
    for (auto& recording : binding.recordings) recording.reset();
  binding.base = base;
  binding.device_base = device;
  for (size_t v = 0; v < program.values.size(); ++v) {
    const ValueCode& code = program.values[v];
    const ValueCode& root = program.values[static_cast<size_t>(code.root)];
    if (root.storage != Storage::kPlanned || root.is_output) continue;
    std::byte* place = (root.is_device ? device : base) +
                       binding.places[static_cast<size_t>(code.root)] + binding.offsets[v];
    std::get<Tensor>(binding.values[v].held).rebind(place, nullptr);
  }
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const size_t bytes = binding.bound[i].scratch_bytes;
    if (bytes == 0) continue;
    const bool on_device = program.steps[i].kernel->memory().outputs == plan::Memory::kDevice;
    Binder::set_scratch(binding.steps[i],
                        {(on_device ? device : base) + binding.scratch[i], bytes});
  }
}

}  // namespace planish
