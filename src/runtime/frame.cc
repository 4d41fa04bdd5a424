// SPDX-License-Identifier: Apache-2.0
#include "runtime/frame.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "base/str.h"
#include "planish/error.h"

namespace planish {

using plan::Storage;

namespace {

// How many sets of input shapes a program stays laid out for.
constexpr size_t kMaxBindings = 16;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr int kPoison = 0xFF;  // a NaN in every float format, -1 in every integer

std::span<const int64_t> dims_of(const Datum& datum) {
  const auto* t = std::get_if<Tensor>(&datum.held);
  return t == nullptr ? std::span<const int64_t>() : std::span<const int64_t>(t->dims());
}

bool is_free(const Tensor& t) {
  return t.dtype() == DType::kString || t.bytes() == 0 || t.owner() != nullptr;
}

bool owns_memory(const Datum& datum) {
  if (const auto* t = std::get_if<Tensor>(&datum.held)) return is_free(*t);
  if (const auto* s = std::get_if<std::shared_ptr<const Sequence>>(&datum.held))
    return std::all_of((*s)->begin(), (*s)->end(), owns_memory);
  if (const auto* m = std::get_if<std::shared_ptr<const MapDatum>>(&datum.held))
    return is_free((*m)->keys) && is_free((*m)->values);
  return true;
}

template <class Copy>
Datum copy_parts(const Datum& datum, Copy copy) {
  if (const auto* t = std::get_if<Tensor>(&datum.held)) return copy(*t);
  if (const auto* s = std::get_if<std::shared_ptr<const Sequence>>(&datum.held)) {
    Sequence items;
    items.reserve((*s)->size());
    for (const Datum& item : **s) items.push_back(copy_parts(item, copy));
    return Datum::sequence(std::move(items));
  }
  if (const auto* m = std::get_if<std::shared_ptr<const MapDatum>>(&datum.held)) {
    Datum out;
    out.held = std::make_shared<const MapDatum>(MapDatum{copy((*m)->keys), copy((*m)->values)});
    return out;
  }
  return datum;
}

}  // namespace

void own(Datum& datum) {
  if (owns_memory(datum)) return;
  datum = copy_parts(datum, [](const Tensor& t) { return is_free(t) ? t : t.clone(); });
}

Datum deep_copy(const Datum& datum) {
  return copy_parts(datum, [](const Tensor& t) { return t.clone(); });
}

Datum deep_copy(const Datum& datum, DeviceSession* device) {
  return copy_parts(datum, [device](const Tensor& t) {
    if (device == nullptr || t.bytes() == 0 || !device->is_device_memory(t.data()))
      return t.clone();
    Tensor copy(t.dtype(), t.dims());
    device->read(copy.data(), t.data(), t.bytes());
    return copy;
  });
}

std::byte* Arena::reserve(uint64_t bytes) {
  if (!lent_.empty()) {
    if (lent_.size() < bytes)
      throw Error(ErrorCode::kInvalidArgument, concat("the scratch memory has ", lent_.size(),
                                                      " bytes, this run needs ", bytes));
    return lent_.data();
  }
  if (own_ != nullptr && bytes <= own_bytes_) return own_.get();
  own_.reset();
  own_bytes_ = 0;
  if (bytes < kHugePage) {
    own_ = allocate_bytes(static_cast<size_t>(bytes));
  } else {
    if (bytes > SIZE_MAX / 2)
      throw Error(ErrorCode::kOutOfMemory, concat("an arena of ", bytes, " bytes"));
    const size_t padded = (static_cast<size_t>(bytes) + kHugePage - 1) / kHugePage * kHugePage;
    void* block = std::aligned_alloc(kHugePage, padded);
    if (block == nullptr)
      throw Error(ErrorCode::kOutOfMemory, concat("no memory for an arena of ", bytes, " bytes"));
    madvise(block, padded, MADV_HUGEPAGE);
    own_ = {static_cast<std::byte*>(block), [](std::byte* p) { std::free(p); }};
  }
  own_bytes_ = bytes;
  return own_.get();
}

void Arena::lend(std::span<std::byte> memory) {
  if (reinterpret_cast<uintptr_t>(memory.data()) % 64 != 0)
    throw Error(ErrorCode::kInvalidArgument, "scratch memory must be aligned to 64 bytes");
  lent_ = memory;
  if (!memory.empty()) {
    own_.reset();
    own_bytes_ = 0;
  }
}

std::byte* DeviceArena::reserve(DeviceSession& session, uint64_t bytes) {
  if (own_ != nullptr && bytes <= own_bytes_) return own_.get();
  own_.reset();
  own_bytes_ = 0;
  own_ = session.allocate(std::max<uint64_t>(bytes, 1));
  own_bytes_ = bytes;
  return own_.get();
}

// Lets go of what a run held, however it ended.
class Frame::Cleaner {
 public:
  explicit Cleaner(Frame& frame) : frame_(frame) {}
  ~Cleaner() { frame_.release(); }
  Cleaner(const Cleaner&) = delete;
  Cleaner& operator=(const Cleaner&) = delete;

 private:
  Frame& frame_;
};

Frame::Frame(const ProgramCode& program, RunState& run) : program_(program), run_(run) {
  output_memory_.resize(program_.outputs.size());
  children_.resize(program_.steps.size());
  for (size_t i = 0; i < children_.size(); ++i)
    children_[i].resize(program_.steps[i].step->subprograms.size());
}

Frame::~Frame() = default;

std::vector<Datum> Frame::run(std::span<const Datum> inputs, const SymbolValues& around,
                              OutputPlaces* places) {
  check_inputs(inputs);
  select_binding(inputs, around);
  reserve_arenas();
  const Cleaner cleaner(*this);
  place_inputs(inputs);
  place_outputs(places);
  run_guarded();
  // Whoever runs a subprogram looks at its results at once.
  if (run_.session != nullptr && program_.index != 0) run_.session->wait_for_copies();
  return take_outputs(inputs);
}

void Frame::reserve_arenas() {
  std::byte* base = arena_.reserve(binding_->arena_bytes);
  std::byte* device = nullptr;
  if (run_.session != nullptr)
    device = device_arena_.reserve(*run_.session, binding_->device_bytes);
  if (binding_->base != base || binding_->device_base != device)
    place_in_arena(program_, *binding_, base, device);
  if (!run_.engine.options.poison) return;
  std::memset(base, kPoison, binding_->arena_bytes);
  if (run_.session != nullptr) run_.session->fill(device, kPoison, binding_->device_bytes);
}

// Types that the program relies on; dims are compared when the binding is chosen.
void Frame::check_inputs(std::span<const Datum> inputs) const {
  const auto& ids = program_.program->inputs;
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::kInvalidType,
                concat("program \"", program_.program->name, "\": ", what));
  };
  if (inputs.size() != ids.size())
    fail(concat("expected ", ids.size(), " inputs, got ", inputs.size()));
  for (size_t i = 0; i < ids.size(); ++i) {
    const ValueCode& value = code(ids[i]);
    const auto* t = std::get_if<Tensor>(&inputs[i].held);
    const bool is_right = t == nullptr
                              ? value.dtype == DType::kUndefined && value.rank < 0
                              : value.dtype == DType::kUndefined || value.dtype == t->dtype();
    const plan::Value& source = program_.program->values[static_cast<size_t>(ids[i])];
    if (!is_right)
      fail(concat("input \"", source.name, "\": expected ", source.type.to_string(), ", got ",
                  t == nullptr ? "no tensor" : std::string(dtype_name(t->dtype()))));
    if (t != nullptr && value.rank >= 0 && value.rank != t->rank())
      fail(concat("input \"", source.name, "\": expected ", source.type.to_string(), ", got rank ",
                  t->rank()));
  }
}

bool Frame::fits(const Binding& binding, std::span<const Datum> inputs,
                 const SymbolValues& around) const {
  for (int32_t s : program_.inherited)
    if (binding.symbols[static_cast<size_t>(s)] != around[static_cast<size_t>(s)]) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int32_t v = program_.program->inputs[i];
    if (!code(v).is_known) continue;
    const std::span<const int64_t> dims = dims_of(inputs[i]);
    const Dims& bound = binding.input_dims[i];
    if (!std::equal(dims.begin(), dims.end(), bound.begin(), bound.end())) return false;
  }
  return true;
}

void Frame::select_binding(std::span<const Datum> inputs, const SymbolValues& around) {
  for (size_t i = 0; i < bindings_.size(); ++i) {
    if (!fits(*bindings_[i], inputs, around)) continue;
    std::rotate(bindings_.begin(), bindings_.begin() + static_cast<std::ptrdiff_t>(i),
                bindings_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    binding_ = bindings_.front().get();
    return;
  }
  InputDims dims;
  dims.reserve(inputs.size());
  for (const Datum& input : inputs) dims.push_back(dims_of(input));
  lay_out(dims, around);
}

const Binding& Frame::lay_out(const InputDims& inputs, const SymbolValues& around) {
  std::unique_ptr<Binding> fresh = bind_program(run_, program_, around, inputs, this);
  if (bindings_.size() == kMaxBindings) bindings_.pop_back();
  bindings_.insert(bindings_.begin(), std::move(fresh));
  binding_ = bindings_.front().get();
  return *binding_;
}

void Frame::place_inputs(std::span<const Datum> inputs) {
  const bool is_main = program_.index == 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int32_t v = program_.program->inputs[i];
    if (const auto* t = std::get_if<Tensor>(&inputs[i].held);
        t != nullptr && t->dtype() != DType::kString) {
      // A caller's memory is not kept beyond the run, whoever owns it.
      std::shared_ptr<const void> owner = is_main ? nullptr : t->owner();
      auto* data = const_cast<std::byte*>(t->data());
      if (!code(v).is_known) slot(v) = *t;
      std::get<Tensor>(slot(v).held).rebind(data, std::move(owner));
    } else {
      slot(v) = inputs[i];
    }
  }
  if (!program_.input_aliases.empty()) rebind_aliases(Storage::kInput);
}

void Frame::rebind_aliases(Storage storage_of_root) {
  for (size_t v = 0; v < program_.values.size(); ++v) {
    const ValueCode& value = program_.values[v];
    if (value.storage != Storage::kAlias) continue;
    const ValueCode& root = code(value.root);
    if (root.storage != storage_of_root ||
        (storage_of_root == Storage::kPlanned && !root.is_output))
      continue;
    std::byte* data = std::get<Tensor>(slot(value.root).held).data();
    std::get<Tensor>(binding_->values[v].held)
        .rebind(data == nullptr ? nullptr : data + binding_->offsets[v], nullptr);
  }
}

void Frame::place_outputs(OutputPlaces* places) {
  bool has_aliases = false;
  for (size_t i = 0; i < program_.outputs.size(); ++i) {
    const OutputCode& out = program_.outputs[i];
    if (!out.owns_root) continue;
    Tensor& root = std::get<Tensor>(slot(out.root).held);
    OwnedBytes& memory = output_memory_[i];
    const bool is_whole = std::get<Tensor>(slot(out.value).held).bytes() == root.bytes();
    if (places != nullptr && is_whole) memory = places->place(i, root.bytes());
    if (memory.bytes.data() == nullptr) {
      std::shared_ptr<std::byte> block = allocate_bytes(root.bytes());
      memory.bytes = {block.get(), root.bytes()};
      memory.owner = std::move(block);
      if (run_.engine.options.poison)
        std::memset(const_cast<std::byte*>(memory.bytes.data()), kPoison, root.bytes());
    }
    root.rebind(const_cast<std::byte*>(memory.bytes.data()), nullptr);
    has_aliases = true;
  }
  if (has_aliases) rebind_aliases(Storage::kPlanned);
}

void Frame::run_step(size_t i) {
  const StepCode& step = program_.steps[i];
  const StepMemory memory = step.kernel->memory();
  if (run_.session != nullptr && memory.inputs == plan::Memory::kHost &&
      memory.outputs == plan::Memory::kHost)
    run_.session->wait_for_copies();
  if (!step.is_static) prepare_dynamic(i);
  step.kernel->run(binding_->steps[i]);
  if (!step.is_static) finish_dynamic(i);
}

bool Frame::run_segment(size_t s) {
  DeviceSession& session = *run_.session;
  // Shapes that come once are not worth a recording.
  if (binding_->runs < 2 || !session.may_record()) return false;
  const Segment& segment = program_.segments[s];
  std::unique_ptr<DeviceRecording>& recording = binding_->recordings[s];
  if (recording == nullptr) {
    session.begin_recording();
    try {
      for (current_step_ = segment.first; current_step_ < segment.end; ++current_step_)
        program_.steps[current_step_].kernel->run(binding_->steps[current_step_]);
    } catch (...) {
      session.abandon_recording();
      throw;
    }
    current_step_ = segment.first;
    recording = session.end_recording();
  }
  session.replay(*recording);
  return true;
}

template <bool observed>
void Frame::run_steps() {
  const std::vector<StepCode>& steps = program_.steps;
  const std::vector<Segment>& segments = program_.segments;
  ++binding_->runs;
  size_t next_segment = 0;
  for (current_step_ = 0; current_step_ < steps.size(); ++current_step_) {
    if constexpr (!observed) {
      if (next_segment < segments.size() && segments[next_segment].first == current_step_) {
        const size_t s = next_segment++;
        if (run_segment(s)) {
          current_step_ = segments[s].end - 1;
          continue;
        }
      }
    }
    const size_t i = current_step_;
    [[maybe_unused]] std::chrono::steady_clock::time_point start;
    if constexpr (observed) start = std::chrono::steady_clock::now();
    run_step(i);
    if constexpr (observed) {
      if (run_.session != nullptr) run_.session->wait();
      observe(i, start);
    }
    for (int32_t v : steps[i].releases) slot(v) = Datum();
  }
}

void Frame::run_guarded() {
  try {
    if (run_.observer)
      run_steps<true>();
    else
      run_steps<false>();
  } catch (...) {
    rethrow(*program_.steps[std::min(current_step_, program_.steps.size() - 1)].step);
  }
}

void Frame::rethrow(const plan::Step& step) const {
  const std::string where = concat(step.op, " node \"", step.node, "\": ");
  try {
    throw;
  } catch (const Error& error) {
    if (!error.node().empty()) throw;
    throw Error(error.code(), where + error.what(), step.node, error.hint());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, where + "no memory", step.node);
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kInternal, where + error.what(), step.node);
  }
}

void Frame::observe(size_t i, std::chrono::steady_clock::time_point start) {
  const auto end = std::chrono::steady_clock::now();
  const auto seconds = [](auto duration) {
    return std::chrono::duration<double>(duration).count();
  };
  const bool is_device = program_.steps[i].kernel->memory().outputs == plan::Memory::kDevice;
  run_.observer({.program = program_.index,
                 .step = program_.steps[i].index,
                 .info = program_.steps[i].step,
                 .start = seconds(start - run_.begin),
                 .seconds = seconds(end - start),
                 .outputs = binding_->steps[i].outputs(),
                 .device = is_device ? run_.session.get() : nullptr});
}

ArenaLayout Frame::layout() const {
  if (binding_ == nullptr) return {};
  const Binding& b = *binding_;
  ArenaLayout out{.arena_bytes = b.arena_bytes,
                  .lower_bound = b.lower_bound,
                  .device_bytes = b.device_bytes,
                  .device_lower_bound = b.device_lower_bound,
                  .placements = {}};
  const auto step = [&](int32_t position) {
    return program_.steps[static_cast<size_t>(std::max(position, 0))].index;
  };
  for (size_t v = 0; v < program_.values.size(); ++v) {
    const ValueCode& c = program_.values[v];
    if (c.storage != Storage::kPlanned || c.is_output || c.last_step < 0) continue;
    out.placements.push_back({.value = static_cast<int32_t>(v),
                              .first_step = step(c.first_step),
                              .last_step = step(c.last_step),
                              .offset = b.places[v],
                              .bytes = std::get<Tensor>(b.values[v].held).bytes(),
                              .on_device = c.is_device});
  }
  for (size_t i = 0; i < program_.steps.size(); ++i) {
    const uint64_t bytes = b.bound[i].scratch_bytes;
    if (bytes == 0) continue;
    const int32_t at = program_.steps[i].index;
    out.placements.push_back(
        {.first_step = at,
         .last_step = at,
         .offset = b.scratch[i],
         .bytes = bytes,
         .on_device = program_.steps[i].kernel->memory().outputs == plan::Memory::kDevice});
  }
  return out;
}

void Frame::prepare_dynamic(size_t i) {
  const StepCode& step = program_.steps[i];
  for (int32_t v : step.step->outputs)
    if (v >= 0 && code(v).storage == Storage::kDynamic) slot(v) = Datum();
  if (step.kernel->makes_outputs()) return;
  allocate_outputs(i);
  bind_dynamic(i);
}

void Frame::allocate_outputs(size_t i) {
  for (int32_t v : program_.steps[i].step->outputs) {
    if (v < 0 || code(v).storage != Storage::kDynamic) continue;
    Dims dims;
    for (int32_t d = 0; d < code(v).rank; ++d) {
      const Dim& dim = program_.expressions[static_cast<size_t>(
          program_.dims[static_cast<size_t>(code(v).first_dim) + static_cast<size_t>(d)])];
      const auto value = evaluate(run_.engine, dim, binding_->symbols);
      if (!value || *value < 0)
        throw Error(ErrorCode::kInvalidShape,
                    concat("dimension ", dim.to_string(), " of an output is ",
                           value ? std::to_string(*value) : std::string("not known")));
      dims.push_back(*value);
    }
    const size_t bytes = dtype_bytes(code(v).dtype, element_count(dims));
    run_.budget.check_value_bytes(static_cast<int64_t>(std::min<size_t>(bytes, INT64_MAX)),
                                  program_.steps[i].step->node);
    slot(v) = Tensor(code(v).dtype, std::move(dims));
  }
}

// Binds the kernel to the shapes of this very run, if they are not those of the last.
void Frame::bind_dynamic(size_t i) {
  const StepCode& step = program_.steps[i];
  DynamicStep& dynamic = binding_->dynamic[i];
  std::vector<KnownTensor> known[2];
  std::vector<int64_t> dims;
  for (int side = 0; side < 2; ++side) {
    for (int32_t v : side == 0 ? step.step->inputs : step.step->outputs) {
      known[side].emplace_back();
      if (v < 0) continue;
      const auto* t = std::get_if<Tensor>(&slot(v).held);
      if (t == nullptr) throw Error(ErrorCode::kInvalidType, "an input is not a tensor");
      known[side].back() = {.dtype = t->dtype(),
                            .dims = t->dims(),
                            .constant = code(v).storage == Storage::kConstant ? t : nullptr};
      if (code(v).is_device) known[side].back().constant = nullptr;
      dims.push_back(t->rank());
      dims.insert(dims.end(), t->dims().begin(), t->dims().end());
    }
  }
  if (dynamic.is_bound && dynamic.dims == dims) return;
  dynamic.is_bound = false;
  const EvaluateDim evaluate_dim = [&](const Dim& dim) {
    return evaluate(run_.engine, dim, binding_->symbols);
  };
  for (const std::vector<KnownTensor>& side : known) check_extents(*step.step, side);
  dynamic.bound = step.kernel->bind(
      StepShapes(*step.step, known[0], known[1], run_.engine.pool->threads(), &evaluate_dim));
  const size_t scratch = dynamic.bound.scratch_bytes;
  dynamic.scratch = scratch == 0 ? nullptr : allocate_bytes(scratch);
  dynamic.dims = std::move(dims);
  dynamic.is_bound = true;
  binding_->steps[i].scratch_ = {dynamic.scratch.get(), scratch};
  binding_->steps[i].state_ = dynamic.bound.state.get();
}

void Frame::finish_dynamic(size_t i) {
  const StepCode& step = program_.steps[i];
  for (int32_t v : step.step->outputs) {
    if (v < 0 || code(v).storage != Storage::kDynamic) continue;
    own(slot(v));
    check_made(step, v);
  }
}

// Holds what a step made against the value's type, and learns the dims that it tells.
void Frame::check_made(const StepCode& step, int32_t v) {
  const auto* t = std::get_if<Tensor>(&slot(v).held);
  const ValueCode& value = code(v);
  const plan::Value& source = program_.program->values[static_cast<size_t>(v)];
  const bool has_type = t == nullptr
                            ? !source.type.is_tensor()
                            : (value.dtype == DType::kUndefined || value.dtype == t->dtype()) &&
                                  (value.rank < 0 || value.rank == t->rank());
  if (!has_type)
    throw Error(
        ErrorCode::kInternal,
        concat("output \"", source.name, "\" was to be ", source.type.to_string(), ", got ",
               t == nullptr ? std::string("no tensor")
                            : concat(dtype_name(t->dtype()), " ", dims_to_string(t->dims()))),
        step.step->node);
  for (int32_t d = 0; d < value.rank; ++d) {
    const Dim& dim = program_.expressions[static_cast<size_t>(
        program_.dims[static_cast<size_t>(value.first_dim) + static_cast<size_t>(d)])];
    if (dim.is_symbol() && program_.bound.count(dim.symbol_name()) == 0)
      binding_->symbols[static_cast<size_t>(run_.engine.symbols.find(dim.symbol_name())->second)] =
          t->dim(d);
  }
}

std::vector<Datum> Frame::take_outputs(std::span<const Datum> inputs) {
  std::vector<Datum> out;
  out.reserve(program_.outputs.size());
  for (size_t i = 0; i < program_.outputs.size(); ++i) out.push_back(take_output(i, inputs));
  return out;
}

Datum Frame::take_output(size_t i, std::span<const Datum> inputs) {
  const OutputCode& out = program_.outputs[i];
  if (run_.session != nullptr && !out.owns_root) run_.session->wait_for_copies();
  Datum& held = slot(out.value);
  const bool is_main = program_.index == 0;
  if (out.owns_root) {
    Tensor t = std::get<Tensor>(held.held);
    const Tensor& root = std::get<Tensor>(slot(out.root).held);
    if (t.bytes() != root.bytes()) return t.clone();
    t.rebind(t.data(), std::move(output_memory_[i].owner));
    return t;
  }
  if (code(out.value).storage == Storage::kDynamic) return held;
  if (code(out.value).storage == Storage::kInput && !is_main) {
    const Datum& given =
        inputs[static_cast<size_t>(program_.program->values[static_cast<size_t>(out.value)].index)];
    if (owns_memory(given)) return given;
  }
  return deep_copy(held);
}

void Frame::release() {
  for (size_t v = 0; v < program_.values.size(); ++v)
    if (program_.values[v].storage == Storage::kDynamic) binding_->values[v] = Datum();
  for (int32_t v : program_.program->inputs) {
    auto* t = std::get_if<Tensor>(&slot(v).held);
    if (t != nullptr && code(v).is_known && t->dtype() != DType::kString)
      t->rebind(nullptr, nullptr);
    else
      slot(v) = Datum();
  }
  for (OwnedBytes& memory : output_memory_) memory = {};
}

std::vector<Datum> Frame::run_subprogram(int step, int index, std::vector<Datum> inputs) {
  const plan::Step& source = *program_.steps[static_cast<size_t>(step)].step;
  const plan::Subprogram& sub = source.subprograms.at(static_cast<size_t>(index));
  std::unique_ptr<Frame>& child = children_[static_cast<size_t>(step)][static_cast<size_t>(index)];
  if (child == nullptr)
    child = std::make_unique<Frame>(run_.engine.programs[static_cast<size_t>(sub.program)], run_);
  inputs.reserve(inputs.size() + sub.captured.size());
  for (int32_t v : sub.captured) inputs.push_back(slot(v));
  return child->run(inputs, binding_->symbols, nullptr);
}

std::vector<Type> Frame::subprogram_types(int step, int index) const {
  const plan::Step& source = *program_.steps[static_cast<size_t>(step)].step;
  const plan::Subprogram& sub = source.subprograms.at(static_cast<size_t>(index));
  const plan::Program& program = *run_.engine.programs[static_cast<size_t>(sub.program)].program;
  std::vector<Type> types;
  for (int32_t v : program.outputs) {
    Type type = program.values[static_cast<size_t>(v)].type;
    if (type.shape)
      for (Dim& dim : *type.shape)
        if (const auto value = evaluate(run_.engine, dim, binding_->symbols)) dim = *value;
    types.push_back(std::move(type));
  }
  return types;
}

}  // namespace planish
